import { counted, labelled, printable, table } from '../output.ts';
import type { VerifyResponse } from './response.ts';
import type { NextSetDocument, TcbPartDocument, TdxTcbDocument } from './tdx-tcb.ts';
import type { Advice } from './words.ts';

const LABEL_WIDTH = 13;
const day = (time: string | null) => time?.slice(0, 10) ?? 'none';

type NamedPart = readonly [name: string, part: TcbPartDocument];

function partsOf({ platform, module, qe }: TdxTcbDocument): NamedPart[] {
  return [
    ['platform', platform],
    ...(module === null ? [] : [[`module ${module.id}`, module] as const]),
    ['quoting enclave', qe],
  ];
}

/** The TCB of a TDX quote, part by part, how far each is behind, and what the next set will say. */
export function tcbLines({ tcb }: VerifyResponse, width: number): string[] {
  const document = tcb as unknown as TdxTcbDocument | null;
  if (document === null) return [];
  const parts = partsOf(document);
  const rows = parts.map(([name, part]) => [
    name,
    part.status,
    day(part.tcbDate),
    day(part.newestTcbDate),
    part.advisoryIds.length === 0 ? 'none' : part.advisoryIds.join(', '),
  ]);
  const lines = [printable(table([['TCB', 'status', 'level of', 'newest', 'advisories'], ...rows], width))];
  const behind = behindWords(parts);
  for (const [at, words] of behind.entries()) {
    lines.push(labelled(at === 0 ? '  behind' : '', printable(words), width, 2, LABEL_WIDTH));
  }
  if (document.next !== undefined) {
    lines.push(labelled('  next set', printable(nextWords(document, document.next)), width, 2, LABEL_WIDTH));
  }
  return lines;
}

const COMPONENT = /^(sgx|tdx)tcbcomponents\[(\d+)\]$/;

/** Components are counted from 1, as Intel does in its papers. */
function componentWords(component: string): string {
  const [, kind, index] = COMPONENT.exec(component) ?? [];
  return kind === undefined ? component.toUpperCase() : `${kind.toUpperCase()} component ${Number(index) + 1}`;
}

function behindWords(parts: readonly NamedPart[]): string[] {
  return parts.flatMap(([name, { behind }]) =>
    behind.map(({ component, about, measured, newest }) => {
      const what = `${componentWords(component)}${about === null ? '' : ` (${about})`}`;
      return `${name}, ${what}: ${measured}, newest ${newest}`;
    }),
  );
}

function nextWords(today: TdxTcbDocument, next: NextSetDocument): string {
  if (next.tcb === null || next.verdict === 'unavailable') return 'what it says could not be found out';
  const set = `evaluation number ${next.tcb.tcbInfoEvaluationNumber} (today ${today.tcbInfoEvaluationNumber})`;
  const same = next.tcb.status === today.status ? 'still' : 'then';
  const known = new Set(behindWords(partsOf(today)));
  const more = behindWords(partsOf(next.tcb)).filter((words) => !known.has(words));
  const update = more.length === 0 ? '' : `; behind: ${more.join('; ')}`;
  const refused = next.verdict === 'refused' ? `, and refused: ${next.failed.join(', ')}` : '';
  return `${set}: ${same} ${next.tcb.status}${refused}${update}`;
}

/** What a TD says about itself that a policy refuses unless it is told otherwise. */
export function tdNotes({ claims }: VerifyResponse): string[] {
  const notes: string[] = [];
  if (claims.debug === true) notes.push('a debug TD: its host can read everything in it');
  if (claims.septVeDisable === false) notes.push('SEPT_VE_DISABLE is not set: the host can trick a Linux guest');
  if (claims.serviceTd === true)
    notes.push('a service TD, or a migration, can read this TD: it is in the trusted base');
  const reserved = [claims.reservedTdAttributeBits, claims.reservedXfamBits].flat().join(', ');
  if (reserved !== '') notes.push(`reserved bits of TDATTRIBUTES or XFAM are set: ${reserved}`);
  if (claims.trailingAllZero === false)
    notes.push(`nothing signs the last ${counted(Number(claims.trailingBytes), 'byte')}`);
  return notes;
}

const UPDATE = 'Update what is behind (host firmware, microcode, TDX module), restart the host, then collect again.';

/** For genuine quotes of platforms that are not up to date. */
export const ADVICE_OF_TCB_STATUS: Readonly<Record<string, Advice>> = {
  SWHardeningNeeded: {
    means: 'The platform is up to date; the advisories ask for hardening in the software that runs on it.',
    todo: 'Accept it (tcbStatuses of the policy) only for images that are hardened against these advisories.',
  },
  ConfigurationNeeded: {
    means: 'The platform is up to date, but a setting of its firmware leaves it open to the advisories.',
    todo: 'Change the setting that the advisories name (often hyper-threading), restart the host, then collect again.',
  },
  ConfigurationAndSWHardeningNeeded: {
    means: 'The platform is up to date, but its settings and the software on it leave it open to the advisories.',
    todo: 'Change the settings that the advisories name, harden the image, then collect again.',
  },
  OutOfDate: {
    means: 'Genuine, but older than the newest level: what the advisories name may work on it.',
    todo: UPDATE,
  },
  OutOfDateConfigurationNeeded: {
    means: 'Genuine, but older than the newest level, and a setting of its firmware leaves it open as well.',
    todo: `${UPDATE} Change the settings that the advisories name.`,
  },
  TDRelaunchAdvised: {
    means: 'The host has been updated; this TD was started on the older TDX module.',
    todo: 'Start the TD again on this host, then collect again.',
  },
  TDRelaunchAdvisedConfigurationNeeded: {
    means: 'The host has been updated; this TD was started on the older TDX module, and a setting has to change.',
    todo: 'Change the settings that the advisories name, start the TD again, then collect again.',
  },
};
