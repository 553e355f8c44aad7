// A store like S3: staged bytes cannot be read before they are committed, and only the writer of all bytes knows the digest.
import type { Algorithm } from '../../src/oci/digest.ts';
import type { Digest } from '../../src/oci/names.ts';
import type { KeepState, StagedPlace, StagedWrite } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { dataKey } from '../../src/storage/paths.ts';

export class ForgetfulDriver extends MemoryDriver {
  #writes = 0;

  override async stage(place: StagedPlace, from: number, algorithm: Algorithm, keep: KeepState): Promise<StagedWrite> {
    // Without the state a write cannot be continued.
    if (from > 0 && place.state === undefined) throw new Error('the state of this place was lost');
    const write = await super.stage(place, from, algorithm, keep);
    const state = JSON.stringify({ write: ++this.#writes });
    let kept = false;
    return {
      ...write,
      write: async (chunk) => {
        if (!kept) await keep(state);
        kept = true;
        await write.write(chunk);
      },
      settle: async () => {
        const { digest, ...progress } = await write.settle();
        return { ...progress, state, ...(from > 0 || digest === undefined ? {} : { digest }) };
      },
    };
  }

  override async digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined> {
    if ((await this.head(dataKey(place.inc))) === undefined) return undefined;
    return await super.digestStaged(place, size, algorithm);
  }

  override async takeOver(place: StagedPlace, size: number, inc: StagedPlace['inc']): Promise<StagedPlace> {
    return { ...(await super.takeOver(place, size, inc)), state: JSON.stringify({ write: ++this.#writes }) };
  }
}
