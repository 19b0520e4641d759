import type { Command } from 'commander';

export type UpOptions = {
  data: string;
  ports?: string;
  model?: string;
  once?: boolean;
  tour: boolean;
  json?: boolean;
  color: boolean;
};

export function registerUp(program: Command): void {
  program
    .command('up')
    .summary('start a whole local network and send a first request through it')
    .description(
      'Starts, each as a process of its own on 127.0.0.1: a development chain, a transparency log, a router, two workers with simulated TDX enclaves, and an OpenAI-compatible gateway. Then sends one chat request through the whole path and prints what was verified. Stays up until Ctrl-C; a second start finds its state again.',
    )
    .option('--data <dir>', 'folder of the state', process.env.CHRYSALIS_DATA ?? '.chrysalis')
    .option('--ports <which>', 'default, auto (free ones), or the first of four; auto with --once --json')
    .option('--model <dir>', 'folder of the model the workers serve (model.onnx, tokenizer.json, config.json)')
    .option('--once', 'stop after the first request; exit 0 only if every step held')
    .option('--no-tour', 'send no first request')
    .option('--json', 'one JSON document on stdout, progress on stderr')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis up --once --json > tour.json')
    .action(async (_: unknown, command: Command) => {
      const { runUp } = await import('../up/run.ts');
      process.exitCode = await runUp(command.optsWithGlobals() as UpOptions);
    });
}
