import { encodeRobotBatch } from '../../access/robots/events.ts';
import { type RobotSlot, readRobotSlot } from '../../access/robots/slot.ts';
import { decodeRobotsSnapshot, encodeRobotsSnapshot } from '../../access/robots/snapshot.ts';
import { RobotsView } from '../../access/robots/view.ts';
import { hashSlot } from '../../journal/events.ts';
import { ROBOT_SNAPSHOTS, ROBOTS, robotSlotKey, slotOfRobotSnapshotKey } from '../../storage/paths.ts';
import { type Chain, type ChainCheckPorts, checkChain } from './chain-check.ts';

const CHAIN: Chain<RobotSlot, RobotsView> = {
  ...{ log: 'robots', title: 'the log of robots', slots: ROBOTS, snapshots: ROBOT_SNAPSHOTS },
  slotKey: robotSlotKey,
  slotOfSnapshotKey: slotOfRobotSnapshotKey,
  read: readRobotSlot,
  isCanonical: ({ batch, hash }) => hashSlot(encodeRobotBatch(batch)) === hash,
  newView: (reader) => new RobotsView(reader),
  compareSnapshot: async (bytes, seq, view) => {
    if (decodeRobotsSnapshot(bytes)?.seq !== seq) return 'unusable';
    return view === undefined || Buffer.from(bytes).equals(encodeRobotsSnapshot(view)) ? 'same' : 'other';
  },
};

/** Checks the log of robots. */
export async function checkRobots(check: ChainCheckPorts): Promise<void> {
  await checkChain(CHAIN, check);
}
