import { InvalidArgumentError } from 'commander';

/** An index or a count on the command line. */
export function whole(text: string): number {
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(text)) throw new InvalidArgumentError('a whole number from 0.');
  return Number(text);
}
