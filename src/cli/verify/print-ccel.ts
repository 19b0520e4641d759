import { labelled, printable } from '../output.ts';
import type { VerifyResponse } from './response.ts';

const LABEL_WIDTH = 15;
const TEXTS_SHOWN_MAX = 8;
const TEXT_SHOWN_CHARACTERS_MAX = 240;

/** Claims of a log that leads to its registers, as `factClaims` of ccel.ts makes them. */
type LogClaims = Readonly<{
  events: number;
  provenEvents: number;
  secureBoot: 'enabled' | 'disabled' | null;
  exitedBootServices: boolean;
  measuredTexts: readonly Readonly<{ rtmr: number; text: string }>[];
  runtimeEvents: readonly Readonly<{ name: string }>[];
  dstack: Readonly<Record<string, string>>;
}>;

/** What the log proves of the boot: each line was measured, and nothing else is shown. */
export function logLines(response: VerifyResponse, width: number): string[] {
  const claims = response.claims as unknown as LogClaims;
  const said: [label: string, words: string][] = [
    ['proven', `${claims.provenEvents} of ${claims.events} events: what they hold is what was measured`],
    ['secure boot', claims.secureBoot ?? 'not established by this log'],
    ['handed over', claims.exitedBootServices ? 'the firmware left the machine to what booted' : 'not by this log'],
  ];
  for (const { rtmr, text } of claims.measuredTexts.slice(0, TEXTS_SHOWN_MAX)) {
    const isCut = text.length > TEXT_SHOWN_CHARACTERS_MAX;
    said.push([`RTMR${rtmr}`, `“${text.slice(0, TEXT_SHOWN_CHARACTERS_MAX)}${isCut ? '…' : ''}”`]);
  }
  const more = claims.measuredTexts.length - TEXTS_SHOWN_MAX;
  if (more > 0) said.push(['', `and ${more} more texts (--json)`]);
  if (claims.runtimeEvents.length > 0) {
    said.push(['runtime', claims.runtimeEvents.map(({ name }) => name).join(', ')]);
  }
  for (const [name, payload] of Object.entries(claims.dstack)) said.push(['dstack', `${name} ${payload}`]);
  said.push(['not asked', 'whether the quote that the registers are from is genuine: verify it too']);
  return said.map(([label, words]) => labelled(`  ${label}`, printable(words), width, 2, LABEL_WIDTH));
}
