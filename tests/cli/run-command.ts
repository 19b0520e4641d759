import { Command } from 'commander';
import { registerVerify, type VerifyIo } from '../../src/cli/commands/verify.ts';
import { exitCodeOf } from '../../src/cli/output.ts';
import { CodedError, utf8 } from '../../src/core/index.ts';

/** `chrysalis verify` with these arguments, in this process: its exit code and what it prints, 80 columns wide. */
export async function runVerify(
  argv: readonly string[],
  now: number,
  stdin = '',
): Promise<{ exit: number | null; text: string }> {
  const seen: { exit: number | null; text: string } = { exit: null, text: '' };
  const io: VerifyIo = {
    input: pieces(stdin),
    write: async (text) => {
      seen.text += text;
    },
    width: 80,
    colour: false,
    now: () => now,
    exit: (code) => {
      seen.exit = code;
    },
  };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  registerVerify(program, () => io);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  try {
    await program.parseAsync(['node', 'chrysalis', 'verify', ...argv]);
  } catch (thrown) {
    if (!(thrown instanceof CodedError)) throw thrown;
    seen.exit = exitCodeOf(thrown.code); // as main.ts does
  }
  return seen;
}

/** Text as a stream gives it. */
export async function* pieces(text: string, size = 1000): AsyncGenerator<Uint8Array> {
  const bytes = utf8(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
