import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseDigest } from '../../oci/digest.ts';
import { buildSteps, readImageConfig } from './image-config.ts';
import { type Part, readManifest } from './manifest-model.ts';

function layer(character: string): Part {
  const digest = parseDigest(`sha256:${character.repeat(64)}`);
  if (digest === undefined) throw new Error('no digest');
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 1, annotations: new Map() };
}

test.each([
  ['/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'],
  ['/bin/sh -c apk add curl', 'RUN apk add curl'],
  ['RUN /bin/sh -c make # buildkit', 'RUN make'],
  ['RUN |1 A=b /bin/sh -c make # buildkit', 'RUN make'],
  ['COPY a b # buildkit', 'COPY a b'],
  ['', ''],
])('the command %p is shown as %p', (createdBy, shown) => {
  expect(readImageConfig({ os: 'linux', history: [{ created_by: createdBy }] })?.history).toEqual([
    { command: shown, isEmpty: false },
  ]);
});

test('layers get the commands that made them, and commands without a layer stay between them', () => {
  const history = [
    { command: 'ADD', isEmpty: false },
    { command: 'ENV', isEmpty: true },
    { command: 'RUN', isEmpty: false },
  ];
  expect(buildSteps([layer('a'), layer('b')], history)).toEqual([
    { layer: layer('a'), command: 'ADD' },
    { layer: undefined, command: 'ENV' },
    { layer: layer('b'), command: 'RUN' },
  ]);
  // Another number of layers: nothing is assigned wrongly.
  expect(buildSteps([layer('a')], history)).toEqual([{ layer: layer('a'), command: undefined }]);
});

test('any JSON is read without an error', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (json, mediaType) => {
      readImageConfig(json);
      readImageConfig({ os: json, architecture: json, created: json, history: json, config: json });
      readImageConfig({ os: 'linux', history: [json], config: { Env: json, Labels: json, Cmd: json, User: json } });
      readManifest(json, mediaType);
      readManifest({ manifests: json, layers: json, config: json, annotations: json, subject: json }, mediaType);
      readManifest({ manifests: [json, { digest: layer('a').digest, platform: json, annotations: json }] }, mediaType);
    }),
  );
});
