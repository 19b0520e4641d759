import { labelled, type Paint, printable } from '../output.ts';
import { logLines } from './print-ccel.ts';
import { nvidiaHeadline, nvidiaLines } from './print-nvidia.ts';
import { snpNotes, snpTcbLines } from './print-snp.ts';
import { ADVICE_OF_TCB_STATUS, tcbLines, tdNotes } from './print-tdx.ts';
import type { Kind } from './request.ts';
import type { CheckReport, VerifyResponse } from './response.ts';
import { adviceOf, WORDS_OF_CHECK } from './words.ts';
import { WORDS_OF_NVIDIA_CHECK } from './words-nvidia.ts';
import { isPolicyCheck, WORDS_OF_POLICY_CHECK } from './words-policy.ts';

const LABEL_WIDTH = 13;
/** A set of many devices passes hundreds of checks: those go into one paragraph. */
const PASSED_LINES_MAX = 40;

function headline(kind: Kind, response: VerifyResponse): string {
  const { verdict, checks, tcb, claims, error } = response;
  // Without a single check nothing was judged: the input could not be read, or not by this version.
  if (verdict === 'refused') {
    // Checks of genuineness come first: where one of the policy's is the first to fail, all of those held or were not run.
    if (isPolicyCheck(String(error?.facts.check))) return 'REFUSED  by policy';
    return Object.keys(checks).length === 0 ? 'REFUSED  not judged' : 'REFUSED  not genuine';
  }
  if (verdict === 'unavailable') return 'COULD NOT FIND OUT';
  if (isOfDevices(kind)) return nvidiaHeadline(response);
  if (kind === 'composite') return 'VERIFIED  a worker that the policy accepts';
  if (kind === 'nvidia-rim') return 'VERIFIED  a genuine manifest';
  if (kind === 'nras-token') return "VERIFIED  NVIDIA's opinion, which stands for no evidence";
  if (claims.replayedRtmrs !== undefined) return 'VERIFIED  the log leads to the registers given';
  const level = memberText(tcb, 'status') ?? 'not checked';
  const revocation = claims.revocation === 'checked' ? '' : ', revocation not checked';
  return `VERIFIED  genuine, ${WORDS_OF_TCB_STATUS[level] ?? `TCB ${level}`}${revocation}`;
}

/** AMD signs no judgement of a TCB: what a caller asked of it is all that can be said. */
const WORDS_OF_TCB_STATUS: Readonly<Record<string, string>> = {
  NoMinimumEnforced: 'no TCB minimum enforced',
  MeetsMinimum: 'TCB meets the minimum',
};

/** What the verdict does not judge and the person should know. */
function notes(kind: Kind, response: VerifyResponse): string[] {
  if (kind === 'tdx-quote') return tdNotes(response);
  return kind === 'snp-report' ? snpNotes(response) : [];
}

function memberText(value: VerifyResponse['tcb'] | undefined, name: string): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const member = (value as Readonly<Record<string, unknown>>)[name];
  return typeof member === 'string' ? member : null;
}

const WORDS: Readonly<Record<string, string>> = {
  ...WORDS_OF_NVIDIA_CHECK,
  ...WORDS_OF_CHECK,
  ...WORDS_OF_POLICY_CHECK,
};
/** Words for checks; those of devices of a set have their numbers before them, and are told once for all devices. */
function wordsOf(names: readonly string[]): string[] {
  const devices = new Map<string, string[]>();
  for (const name of names) {
    const [, device, check = name] = /^(?:device(\d+)|cpu|gpu|binding)\.(\w+)$/.exec(name) ?? [];
    const known = devices.get(check) ?? [];
    devices.set(check, device === undefined ? known : [...known, device]);
  }
  return [...devices].map(([check, numbers]) => {
    const words = WORDS[check] ?? check;
    return numbers.length === 0 ? words : `${words} (device ${numbers.join(', ')})`;
  });
}

const isOfDevices = (kind: Kind) => kind === 'nvidia-gpu' || kind === 'nvidia-devices';

function checkLines(checks: VerifyResponse['checks'], paint: Paint, width: number): string[] {
  const of = (outcome: CheckReport['outcome']) =>
    Object.entries(checks).filter(([, check]) => check.outcome === outcome);
  const line = (label: string, text: string, style: (text: string) => string) => {
    const [first, ...more] = labelled(label, printable(text), width, 2, LABEL_WIDTH).split('\n');
    return [`  ${style(label)}${(first ?? '').slice(2 + label.length)}`, ...more].join('\n');
  };
  const lines: string[] = [];
  const passed = wordsOf(of('passed').map(([name]) => name));
  const shown = passed.length > PASSED_LINES_MAX ? [passed.join(', ')] : passed;
  for (const words of shown) lines.push(line('✓ passed', words, paint.good));
  for (const [name, { reason }] of of('failed'))
    lines.push(line('✗ failed', `${wordsOf([name]).join()}: ${reason}`, paint.bad));
  // Many checks need the same missing thing: one line for each reason.
  const unrun = Map.groupBy(of('notRun'), ([, { reason }]) => reason);
  for (const [reason, group] of unrun) {
    const names = wordsOf(group.map(([name]) => name)).join(', ');
    lines.push(line('– not run', `${names}: ${reason}`, paint.dim));
  }
  return lines;
}

function styleOf({ verdict, tcb }: VerifyResponse, paint: Paint): (text: string) => string {
  if (verdict === 'refused') return paint.bad;
  const status = memberText(tcb, 'status');
  return verdict === 'unavailable' || (status !== null && status in ADVICE_OF_TCB_STATUS) ? paint.warn : paint.good;
}

/** The verdict first, then why, then what it means and what to do; never wider than `width`. */
export function formatResponse(kind: Kind, response: VerifyResponse, paint: Paint, width: number): string {
  const { verdict, error, tcb } = response;
  const first = headline(kind, response);
  const code = error?.code ?? '';
  const gap = ' '.repeat(Math.max(2, Math.min(width, 76) - first.length - code.length));
  const lines = [`${styleOf(response, paint)(first)}${code === '' ? '' : gap + code}`];
  lines.push(...checkLines(response.checks, paint, width));
  if (Object.keys(response.checks).length === 0 && error !== null) {
    lines.push(labelled('✗ failed', printable(error.message), width, 2, LABEL_WIDTH));
  }
  if (kind === 'tdx-quote') lines.push(...tcbLines(response, width));
  if (kind === 'snp-report') lines.push(...snpTcbLines(response, width));
  if (isOfDevices(kind)) lines.push(...nvidiaLines(response, width));
  if (verdict === 'verified') lines.push(...verifiedLines(kind, response, width));
  const status = verdict === 'verified' && kind === 'tdx-quote' ? memberText(tcb, 'status') : null;
  const advice = verdict === 'verified' ? ADVICE_OF_TCB_STATUS[status ?? ''] : adviceOf(kind, error);
  if (advice !== undefined) {
    lines.push(
      labelled('What it means', advice.means, width, 0, 15),
      labelled('What to do', advice.todo, width, 0, 15),
    );
  }
  return `${lines.join('\n')}\n`;
}

function verifiedLines(kind: Kind, response: VerifyResponse, width: number): string[] {
  if (kind === 'ccel') return logLines(response, width);
  const said: [label: string, words: string][] = [];
  const anchor = response.claims.trustAnchor ?? null;
  if (anchor !== null) {
    const ofWhom = memberText(anchor, 'kind');
    const pinned = ofWhom === 'vendor' ? 'pinned vendor root' : `${ofWhom}: not a pinned vendor root`;
    said.push(['root', `${memberText(anchor, 'name')} (${pinned})`]);
  }
  const expiresAt = memberText(response.tcb, 'expiresAt');
  if (expiresAt !== null) said.push(['until', `${expiresAt}, when the first document expires`]);
  for (const note of notes(kind, response)) said.push(['note', note]);
  const isAppraised = response.appraisal !== null;
  if (isAppraised) said.push(['policy', 'accepted: it is what the policy wants']);
  else said.push(['not asked', 'whether it is what you want: that takes a policy']);
  return said.map(([label, words]) => labelled(`  ${label}`, printable(words), width, 2, LABEL_WIDTH));
}
