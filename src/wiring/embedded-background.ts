import { join } from 'node:path';
import { backupRuns } from '../backup/run-reports.ts';
import { createHold, removeHold, renewHold } from '../collection/holds.ts';
import { CONTROL_SOCKET } from '../control/protocol.ts';
import { type ControlPorts, serveControl } from '../control/server.ts';
import { handleWith } from '../jobs/handlers.ts';
import { InProcessQueue } from '../jobs/in-process.ts';
import { type JobRun, POLICIES } from '../jobs/queue.ts';
import { SCHEDULES } from '../jobs/schedules.ts';
import type { OwnerDesk } from '../operations/interface.ts';
import type { ReplicaSighting } from '../operations/replicas.ts';
import { MemoryRoster } from '../operations/roster/memory-roster.ts';
import type { Presence } from '../operations/roster/presence.ts';
import type { MemoryProjection } from '../projection/memory.ts';
import { deleteRepository } from '../registry/deletion.ts';
import { restore } from '../registry/restoration.ts';
import type { SessionStore } from '../registry/sessions.ts';
import { LoopDelay } from '../system/loop-delay.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { operatorLabel, sleep } from './basics.ts';
import { observeCollections, summaryOf, wireCollection } from './collection.ts';
import { openOwnFeed, sweepOf } from './feed.ts';
import { wireImports } from './importing.ts';
import { type Jobs, offerJobs } from './jobs.ts';
import { spreadNews } from './news.ts';
import type { ShapeNotes, ShapePorts } from './node-ports.ts';
import { openOwnerDesk } from './operations.ts';
import { openPresence } from './presence.ts';
import { collectWhileWritable, lookAheadWhileWritable, retainWhileWritable } from './read-only.ts';
import { logRetention, observeRetention, wireRetention } from './retention.ts';
import { threadsOf } from './thread-share.ts';
import { openWebhookDesk } from './webhook-operator.ts';
import { observeWebhooks, openWebhooks } from './webhooks.ts';

/** Requests wait for this thread if its timers are later than this on average, in milliseconds. Without much to do they are less than one late. */
const BUSY_DELAY_MS = 2;
/** How long jobs may take to stop. */
const CLOSE_WITHIN_MS = 10_000;

interface BackgroundPorts extends ShapePorts {
  readonly projection: MemoryProjection;
  readonly sessions: SessionStore;
  readonly notes: ShapeNotes;
}

interface Background {
  readonly jobs: Jobs;
  readonly operations: OwnerDesk;
  readonly presence: Presence;
}

/** Runs the jobs of an embedded process, and serves the operator's commands. */
export async function openBackground(ports: BackgroundPorts): Promise<Background> {
  const { config, logs, telemetry, opened, policy, pulls, expiring, writes, robots, newId, reach, node } = ports;
  const { projection, sessions, thread, notes, webhookFile } = ports;
  const { driver } = opened;
  const news = spreadNews(ports.folderThread);
  const others = thread.kind === 'owner' ? thread.others : [];
  const requests = (): number => telemetry.requests.begun;
  const collect = wireCollection({
    config,
    opened,
    newId,
    reach,
    node,
    projection,
    sessions,
    requests,
    resident: (repo) => projection.kept(repo),
    onReport: (report) => {
      logs.logger.info(summaryOf(report), 'garbage was collected');
      // An epoch writes a fence to every log, beside the views.
      if (report.epochs > 0) void jobs.enqueue({ kind: 'sweep-notes' });
    },
  });
  const retentionLog = logRetention(logs.logger);
  const { retain, lookAhead } = wireRetention({
    opened,
    policy,
    pulls: pulls && {
      flush: async () => {
        await news.pullsNeeded();
        await pulls.flush();
      },
    },
    newId,
    projection,
    requests,
    onRemoved: retentionLog.onRemoved,
    onReport: (report) => {
      retentionLog.onReport(report);
      void expiring?.reload();
      news
        .retentionEnded()
        .catch((error: unknown) =>
          logs.logger.warn({ err: error }, 'not all threads know yet which tags retention will delete next'),
        );
    },
    resident: (repo) => projection.kept(repo),
  });
  const jobs = new InProcessQueue({
    run: handleWith({
      driver,
      sessions,
      now: Date.now,
      uploadExpiry: config.uploadExpiry,
      fold: (repo) => projection.resident(repo),
      reapMultiparts: opened.reapMultiparts,
      collect: collectWhileWritable(collect, writes, driver, newId),
      retain: retainWhileWritable(retain, writes, driver),
      lookAhead: lookAheadWhileWritable(lookAhead, writes),
      sweepNotes: sweepOf(ports, { newest: (repo) => projection.newest(repo), hint: notes.hint }),
      enqueue: (job, options) => jobs.enqueue(job, options),
    }),
    policies: POLICIES,
    now: Date.now,
    sleep,
    ended: jobEnded(logs, telemetry),
    closeWithin: CLOSE_WITHIN_MS,
  });
  await jobs.schedule('expire-uploads', SCHEDULES['expire-uploads']);
  // The last process may have ended before everything was noted.
  await jobs.enqueue({ kind: 'sweep-notes' });
  await jobs.schedule('sweep-notes', SCHEDULES['sweep-notes']);
  await jobs.schedule('collect', config.gcInterval);
  if (policy !== undefined) await jobs.schedule('retain', config.retentionInterval);
  observeRetention(telemetry, opened, logs.logger);
  observeCollections(telemetry, opened, (error) =>
    logs.logger.warn({ err: error }, 'the last collection could not be read'),
  );
  if (opened.reapMultiparts !== undefined) await jobs.schedule('reap-multiparts', SCHEDULES['reap-multiparts']);
  telemetry.jobs.observe({
    counts: () => jobs.counts(),
    failed: (error) => logs.logger.warn({ err: error }, 'the background jobs could not be counted'),
  });
  const imports = wireImports({ config, opened, projection, newIncarnation: newId, serves: true });
  offerJobs(thread, { enqueue: (job) => jobs.enqueue(job) });
  const feed = openOwnFeed(ports, notes);
  const delay = new LoopDelay();
  const webhooks =
    webhookFile &&
    openWebhooks({
      config,
      opened,
      projection,
      writes,
      newId,
      telemetry,
      logger: logs.logger,
      file: webhookFile,
      feed,
      isBusy: () => delay.average > BUSY_DELAY_MS,
    });
  if (webhooks !== undefined) observeWebhooks(telemetry, webhooks, logs.logger);
  const desk = openWebhookDesk({ config, opened, newId, file: webhookFile, service: webhooks });
  const presence = openPresence({
    ...ports,
    logger: logs.logger,
    roster: undefined,
    role: 'node',
    jobs: [],
    threads: threadsOf(thread),
  });
  const replicas = new MemoryRoster<ReplicaSighting>(() => performance.now());
  const operations = openOwnerDesk({
    ...ports,
    presence,
    roster: undefined,
    replicas,
    board: jobs,
    feed,
    desk,
    turned: () => news.readOnlyTurned(),
    enqueue: (job) => jobs.enqueue(job),
  });
  const control = opened.isLocked
    ? openControl(ports, {
        collect: (request) => jobs.enqueue({ kind: 'collect', request }),
        progress: (kind) => jobs.progress({ kind }),
        retain: (request) => jobs.enqueue({ kind: 'retain', request }),
        requests: async () => {
          const all = await Promise.all(others.map(({ serving }) => serving.begun()));
          return all.reduce((sum, each) => sum + each, requests());
        },
        deleteRepository: (repo) => deleteRepository(repo, operatorLabel(), { projection }),
        restore: (repo, wanted) => restore(repo, wanted, operatorLabel(), { projection, driver }),
        changeRobot: async (name, change) => {
          await robots.change(name, change, operatorLabel());
          await news.robotsChanged();
        },
        importTree: imports.run,
        hold: (id, content) => createHold(driver, id, content),
        renewHold: (id, content) => renewHold(driver, id, content),
        release: (id) => removeHold(driver, id),
        reportBackup: (report) => backupRuns.add(driver, report.run, report),
        promote: async () => {
          await ports.promote();
          await writes.lookAgain();
          await news.readOnlyTurned();
        },
        orderWebhook: (name, action) => desk.order(name, action),
        tryWebhookOut: (name) => desk.tryOut(name),
        turnReadOnly: async (on) => {
          const actor = operatorLabel();
          await writes.turn(on, actor);
          await news.readOnlyTurned();
          logs.logger.info({ actor, on }, 'an operator turned the read-only switch');
        },
        requireWritable: () => writes.requireWritable(),
        failed: (error) => logs.logger.error({ err: error }, "an operator's command failed"),
      })
    : undefined;
  const close = async (): Promise<void> => {
    await control?.stop();
    await webhooks?.close();
    await imports.stop();
    await jobs.close();
  };
  return { jobs: { enqueue: (job) => jobs.enqueue(job), close }, operations, presence };
}

/** Without the socket the server still works. Only the commands that write must then wait until it is stopped. */
function openControl({ opened, logs }: ShapePorts, ports: ControlPorts): ReturnType<typeof serveControl> | undefined {
  try {
    return serveControl(join(opened.place, CONTROL_SOCKET), ports);
  } catch (error) {
    const message =
      'no control socket could be opened in the data folder: `marina gc` and other commands that write cannot reach this server';
    logs.logger.warn({ err: error }, message);
    return undefined;
  }
}

/** Measures each attempt of a job, and logs the failed ones. */
function jobEnded({ logger }: Logs, telemetry: Telemetry): (run: JobRun) => void {
  return ({ kind, key, outcome, seconds, attempt, isDead, error }) => {
    telemetry.jobs.ended(kind, outcome, seconds);
    if (outcome !== 'failed') return;
    const next = isDead ? 'it will not be retried' : 'it will be retried';
    logger.error({ job: key, attempt, err: error }, `a background job failed; ${next}`);
  };
}
