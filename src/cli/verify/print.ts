import { labelled, type Paint, printable } from '../output.ts';
import type { Kind } from './request.ts';
import type { CheckReport, VerifyResponse } from './response.ts';
import { adviceOf, WORDS_OF_CHECK } from './words.ts';
import { WORDS_OF_SNP_VIOLATION } from './words-snp.ts';

const LABEL_WIDTH = 13;

function headline({ verdict, checks, tcb, claims }: VerifyResponse): string {
  // Without a single check nothing was judged: the input could not be read, or not by this version.
  if (verdict === 'refused') return Object.keys(checks).length === 0 ? 'REFUSED  not judged' : 'REFUSED  not genuine';
  if (verdict === 'unavailable') return 'COULD NOT FIND OUT';
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
function notes({ claims }: VerifyResponse): string[] {
  const violations = (claims.strictPolicyViolations ?? []) as readonly (keyof typeof WORDS_OF_SNP_VIOLATION)[];
  const said = violations.map((violation) => WORDS_OF_SNP_VIOLATION[violation]);
  if (claims.debug === true && said.length === 0) said.push('a debug TD: its host can read everything in it');
  if (claims.boundTo === 'provider') {
    said.push(
      `signed by the key of a cloud provider (${String(claims.cspId)}): any host of its region can make such a report`,
    );
  }
  if (claims.boundTo === 'signatureAlone') said.push('CHIP_ID is masked: which chip made it is not known');
  return said;
}

function memberText(value: VerifyResponse['tcb'] | undefined, name: string): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const member = (value as Readonly<Record<string, unknown>>)[name];
  return typeof member === 'string' ? member : null;
}

const wordsOf = (name: string) => (WORDS_OF_CHECK as Readonly<Record<string, string>>)[name] ?? name;

function checkLines(checks: VerifyResponse['checks'], paint: Paint, width: number): string[] {
  const of = (outcome: CheckReport['outcome']) =>
    Object.entries(checks).filter(([, check]) => check.outcome === outcome);
  const line = (label: string, text: string, style: (text: string) => string) => {
    const [first, ...more] = labelled(label, printable(text), width, 2, LABEL_WIDTH).split('\n');
    return [`  ${style(label)}${(first ?? '').slice(2 + label.length)}`, ...more].join('\n');
  };
  const lines: string[] = [];
  const passed = of('passed').map(([name]) => wordsOf(name));
  if (passed.length > 0) lines.push(line('✓ passed', passed.join(', '), paint.good));
  for (const [name, { reason }] of of('failed')) lines.push(line('✗ failed', `${wordsOf(name)}: ${reason}`, paint.bad));
  // Many checks need the same missing thing: one line for each reason.
  const unrun = Map.groupBy(of('notRun'), ([, { reason }]) => reason);
  for (const [reason, group] of unrun) {
    const names = group.map(([name]) => wordsOf(name)).join(', ');
    lines.push(line('– not run', `${names}: ${reason}`, paint.dim));
  }
  return lines;
}

/** The verdict first, then why, then what it means and what to do; never wider than `width`. */
export function formatResponse(kind: Kind, response: VerifyResponse, paint: Paint, width: number): string {
  const { verdict, error, claims, tcb } = response;
  const style = verdict === 'verified' ? paint.good : verdict === 'refused' ? paint.bad : paint.warn;
  const first = headline(response);
  const code = error?.code ?? '';
  const gap = ' '.repeat(Math.max(2, Math.min(width, 76) - first.length - code.length));
  const lines = [`${style(first)}${code === '' ? '' : gap + code}`];
  lines.push(...checkLines(response.checks, paint, width));
  if (Object.keys(response.checks).length === 0 && error !== null) {
    lines.push(labelled('✗ failed', printable(error.message), width, 2, LABEL_WIDTH));
  }
  if (verdict === 'verified') {
    const anchor = claims.trustAnchor ?? null;
    const kind = memberText(anchor, 'kind');
    const pinned = kind === 'vendor' ? 'pinned vendor root' : `${kind}: not a pinned vendor root`;
    if (anchor !== null) {
      lines.push(labelled('  root', `${memberText(anchor, 'name')} (${pinned})`, width, 2, LABEL_WIDTH));
    }
    const expiresAt = memberText(tcb, 'expiresAt');
    if (expiresAt !== null)
      lines.push(labelled('  until', `${expiresAt}, when the first document expires`, width, 2, LABEL_WIDTH));
    for (const note of notes(response)) lines.push(labelled('  note', printable(note), width, 2, LABEL_WIDTH));
    lines.push(labelled('  not asked', 'whether it is what you want: that takes a policy', width, 2, LABEL_WIDTH));
  } else {
    const { means, todo } = adviceOf(kind, error);
    lines.push(labelled('What it means', means, width, 0, 15), labelled('What to do', todo, width, 0, 15));
  }
  return `${lines.join('\n')}\n`;
}
