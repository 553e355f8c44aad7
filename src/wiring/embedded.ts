import { join } from 'node:path';
import { CONTROL_SOCKET } from '../control/protocol.ts';
import { type ControlPorts, serveControl } from '../control/server.ts';
import { handleWith } from '../jobs/handlers.ts';
import { InProcessQueue } from '../jobs/in-process.ts';
import { type JobRun, POLICIES } from '../jobs/queue.ts';
import { SCHEDULES } from '../jobs/schedules.ts';
import { isSnapshotDue } from '../journal/snapshot-due.ts';
import { MemoryProjection } from '../projection/memory.ts';
import { deleteRepository } from '../registry/deletion.ts';
import { FileSessions } from '../registry/file-sessions.ts';
import { LogSessions } from '../registry/log-sessions.ts';
import { restore } from '../registry/restoration.ts';
import { SessionIds } from '../registry/session-ids.ts';
import type { SessionStore } from '../registry/sessions.ts';
import { requireWritable } from '../registry/write-switch.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { operatorLabel, repeat, sleep } from './basics.ts';
import { observeCollections, summaryOf, wireCollection } from './collection.ts';
import { wireImports } from './importing.ts';
import { logListingFailure } from './listing-failure.ts';
import type { Shape, ShapePorts } from './node-ports.ts';
import { collectWhileWritable, retainWhileWritable } from './read-only.ts';
import { logRetention, observeRetention, wireRetention } from './retention.ts';

/** Another process works on a bucket only during a rolling deployment, and what it writes is noticed when a repository is used. */
const COUNT_BUCKET_EVERY_MS = 10 * 60_000;
/** How long jobs may take to stop. */
const CLOSE_WITHIN_MS = 10_000;

/** Wires the embedded shape: one process with the views in memory, which also runs the jobs. */
export async function wireEmbedded(ports: ShapePorts): Promise<Shape> {
  const { config, logs, telemetry, opened, policy, pulls, expiring, writes, robots, newId, reach, node } = ports;
  const { driver } = opened;
  const projection: MemoryProjection = new MemoryProjection({
    driver,
    newId,
    sleep,
    reach,
    node,
    now: Date.now,
    onAppend: (events) => telemetry.appended(events),
    budget: config.viewMemory,
    // A bucket cannot be locked. During a rolling deployment two nodes write to it, so views must look for slots of other processes.
    probe: !opened.isLocked,
    onGrowth: (repo, tail) => {
      if (isSnapshotDue(tail)) void jobs.enqueue({ kind: 'snapshot', repo });
    },
    onUsage: ports.usage.used,
    onListingFailed: (error) => logListingFailure(logs, error),
  });
  const sessions = openSessions(ports);
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
    onReport: (report) => logs.logger.info(summaryOf(report), 'garbage was collected'),
  });
  const retentionLog = logRetention(logs.logger);
  const retain = wireRetention({
    opened,
    policy,
    pulls,
    newId,
    projection,
    requests,
    onRemoved: retentionLog.onRemoved,
    onReport: (report) => {
      retentionLog.onReport(report);
      void expiring?.reload();
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
      enqueue: (job, options) => jobs.enqueue(job, options),
    }),
    policies: POLICIES,
    now: Date.now,
    sleep,
    ended: jobEnded(logs, telemetry),
    closeWithin: CLOSE_WITHIN_MS,
  });
  await jobs.schedule('expire-uploads', SCHEDULES['expire-uploads']);
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
  const control = opened.isLocked
    ? openControl(ports, {
        collect: (request) => jobs.enqueue({ kind: 'collect', request }),
        progress: (kind) => jobs.progress({ kind }),
        retain: (request) => jobs.enqueue({ kind: 'retain', request }),
        deleteRepository: (repo) => deleteRepository(repo, operatorLabel(), { projection }),
        restore: (repo, wanted) => restore(repo, wanted, operatorLabel(), { projection, driver }),
        changeRobot: (name, change) => robots.change(name, change, operatorLabel()),
        importTree: imports.run,
        turnReadOnly: (on) => writes.turn(on),
        requireWritable: () => requireWritable(writes.state),
        failed: (error) => logs.logger.error({ err: error }, "an operator's command failed"),
      })
    : undefined;
  return {
    projection,
    sessions,
    jobs,
    counted: {
      store: projection,
      sharing: opened.isLocked ? { kind: 'alone' } : { kind: 'sometimes', everyMs: COUNT_BUCKET_EVERY_MS },
    },
    viewBytes: () => projection.weight,
    viewRepositories: () => projection.size,
    close: async () => {
      await control?.stop();
      await imports.stop();
      await jobs.close();
    },
  };
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

/** Opens the upload sessions of the embedded shape, also for a command that changes the store without a server. */
export function openSessions({
  config,
  logs,
  opened,
  newId,
}: Pick<ShapePorts, 'config' | 'logs' | 'opened' | 'newId'>): SessionStore {
  const { driver, store, isLocked } = opened;
  const common = { driver, ids: new SessionIds(store), now: Date.now, expiry: config.uploadExpiry };
  if (isLocked) return new FileSessions(common);
  return new LogSessions({
    ...common,
    newToken: newId,
    repeat,
    failed: (error) => logs.logger.warn({ err: error }, 'the lease of an upload could not be renewed or released'),
  });
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
