import { expect, test } from 'bun:test';
import { readableCommand } from './command.ts';

test.each([
  ['/bin/sh -c #(nop)  CMD ["sh"]', 'CMD', ' ["sh"]'],
  ['/bin/sh -c apk add curl', 'RUN', ' apk add curl'],
  ['RUN /bin/sh -c make # buildkit', 'RUN', ' make'],
  ['RUN |1 A=b /bin/sh -c make # buildkit', 'RUN', ' make'],
  ['COPY a b # buildkit', 'COPY', ' a b'],
  ['bazel build ...', '', 'bazel build ...'],
  ['', '', ''],
])('the command %p is shown as %p and %p', (createdBy, instruction, rest) => {
  expect(readableCommand(createdBy)).toEqual({ instruction, rest });
});
