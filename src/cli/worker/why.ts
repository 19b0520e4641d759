import { appraise, parseEvidenceBundle, type Tee } from '../../attestation/index.ts';
import { asCodedError, CodedError, type ErrorCode, fromHex, KIND_OF_CODE, toHex, workerId } from '../../core/index.ts';
import type { OpenCheck } from '../../router/index.ts';
import { askStanding } from '../../rpc/index.ts';
import { clientTls } from '../compose/client-tls.ts';
import { sourceOfText } from '../compose/collateral-source.ts';
import { readBounded, readText } from '../compose/files.ts';
import { loadTrust } from '../compose/trust.ts';
import { EXIT, type ExitCode, labelled, type Paint, painter, printable, wantsColour } from '../output.ts';
import { adviceForCode, adviceForHost } from './advice.ts';

export type WhyOptions = Readonly<{
  router: string;
  routerCa?: string;
  key?: string;
  evidence?: string;
  policy: string;
  collateral?: string;
  at?: string;
  dangerouslyAllowSimulatedVendor?: string;
  json?: boolean;
}>;

/** One thing that stands in the way, and what it is that only follows from it. */
export type Reason = Readonly<{
  check: string;
  code: string;
  reason: string;
  why: string;
  todo: string;
  /** Other checks with the same remedy. */
  also: readonly string[];
}>;
export type Explanation = Readonly<{
  workerId: string;
  state: string;
  message: string;
  policy: Readonly<{ number: number; digest: string | null }> | null;
  /** Ms since 1970 of the refusal; null where there is none. */
  at: number | null;
  /** Ms to the next attempt; 0: not with the same image. */
  retryAfterMs: number;
  reasons: readonly Reason[];
  todo: string;
}>;

const EVIDENCE_BYTES_MAX = 4 * 1024 * 1024;
const STATE_TODO: Readonly<Record<string, string>> = {
  admitted: 'Nothing: it serves.',
  draining: 'Nothing: what runs ends, nothing new comes, and the worker ends by itself.',
  gone: 'Start the worker: it was admitted here and is not connected any more.',
};

const RESUMED = 'it came back and was let in again on the evidence that it was in with before, until the lease of then';

/** `chrysalis worker why`: by the router's word about a worker, or from recorded evidence. Exit code 0 admitted, 1 not, 3 unknown. */
export async function why(worker: string | undefined, options: WhyOptions): Promise<void> {
  const asked = [worker, options.key, options.evidence].filter((one) => one !== undefined);
  if (asked.length !== 1) {
    throw new CodedError('USAGE_INVALID', 'name a worker by its id, its --key, or its --evidence');
  }
  const explanation =
    options.evidence === undefined ? await fromRouter(idOf(worker, options.key), options) : await offline(options);
  const width = Math.min(process.stdout.columns ?? 100, 110);
  const paint = painter(wantsColour(process.stdout, process.env, !process.argv.includes('--no-color')));
  process.stdout.write(
    options.json === true ? `${JSON.stringify(explanation)}\n` : formatWhy(explanation, paint, width),
  );
  process.exitCode = exitCodeFor(explanation.state);
}

function exitCodeFor(state: string): ExitCode {
  if (state === 'admitted' || state === 'draining') return EXIT.accepted;
  return state === 'unavailable' || state === 'gone' ? EXIT.unavailable : EXIT.refused;
}

function idOf(worker: string | undefined, key: string | undefined): Uint8Array {
  const hex = (worker ?? key) as string;
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new CodedError('USAGE_INVALID', 'a worker’s id, or key, has 64 hex digits');
  const bytes = fromHex(hex, 'worker');
  return worker === undefined ? workerId(bytes) : bytes;
}

async function fromRouter(id: Uint8Array, { router, routerCa }: WhyOptions): Promise<Explanation> {
  const { state, resumed, refused } = await askStanding(
    router,
    id,
    Date.now(),
    clientTls(routerCa === undefined ? {} : { routerCa }),
  ).catch((error: unknown) => {
    if (!(error instanceof CodedError) || error.code !== 'NOT_FOUND') throw error;
    const todo = 'see whether the worker runs and which --router it dials; what it prints names its id';
    throw new CodedError('NOT_FOUND', 'no evidence of this worker has come to this router', { todo });
  });
  const reasons = refused === null ? [] : reasonsOf(refused.checks, refused.code as ErrorCode, refused.message);
  return {
    workerId: toHex(id),
    state,
    message: refused?.message ?? (resumed ? RESUMED : ''),
    policy: refused === null ? null : { number: refused.policyNumber, digest: toHex(refused.policyDigest) },
    at: refused?.at ?? null,
    retryAfterMs: refused?.retryAfterMs ?? 0,
    reasons,
    todo: reasons[0]?.todo ?? STATE_TODO[state] ?? '',
  };
}

/** Checks that need the router's own challenge or chain: recorded evidence is taken to be as fresh as it was. */
const NOT_OFFLINE = ['binding.nonce', 'binding.beaconBlock'];

/** @throws CodedError for evidence, policy or collateral that cannot be read */
async function offline(options: WhyOptions): Promise<Explanation> {
  const { policy, digest, trust } = loadTrust(options);
  const bundle = readBounded(options.evidence as string, EVIDENCE_BYTES_MAX);
  if (bundle === null) throw new CodedError('EVIDENCE_TOO_LARGE', 'an evidence bundle has at most 4 MiB');
  const parsed = parseEvidenceBundle(bundle);
  const now = options.at === undefined ? Date.now() : Date.parse(options.at);
  if (Number.isNaN(now)) throw new CodedError('USAGE_INVALID', '--at is no time (RFC 3339)', { field: 'at' });
  const source = await sourceOfText(
    options.collateral === undefined ? '{}' : readText(options.collateral),
    trust.trustAnchors,
  );
  const endorsements = await source
    .endorsementsFor(bundle as Parameters<typeof source.endorsementsFor>[0])
    .catch((error: unknown) => {
      if (KIND_OF_CODE[asCodedError(error).code] !== 'unavailable') throw error;
      return {}; // its checks are not run then, and say so
    });
  const appraisal = await appraise({ ...trust, bundle, endorsements, now, loggedAt: now });
  const names = (appraisal.status === 'affirming' ? [] : appraisal.because).filter(
    (name) => !NOT_OFFLINE.includes(name),
  );
  const groups: Readonly<
    Record<string, Readonly<Record<string, { outcome: string; code?: string; reason?: string }>>>
  > = appraisal.groups;
  const checks = names.map((name): OpenCheck => {
    const [group = '', check = ''] = name.split('.');
    const { code = '', reason = '' } = groups[group]?.[check] ?? {};
    return { name, code, reason };
  });
  const state = checks.length === 0 ? 'admitted' : checks.some(({ code }) => code !== '') ? 'refused' : 'unavailable';
  const reasons = reasonsOf(checks, 'INVARIANT_BROKEN', '', parsed.tee);
  return {
    workerId: toHex(appraisal.workerId),
    state,
    message: state === 'admitted' ? 'this evidence satisfies the policy; how fresh it is only a router can say' : '',
    policy: { number: policy.number, digest: toHex(digest) },
    at: null,
    retryAfterMs: 0,
    reasons,
    todo: reasons[0]?.todo ?? 'Nothing: a router with this policy and collateral would admit it.',
  };
}

/** What stands in the way, the failed before those that could not be run, one for each remedy. */
function reasonsOf(checks: readonly OpenCheck[], code: ErrorCode, message: string, tee?: Tee): Reason[] {
  if (checks.length === 0)
    return [{ check: '', code, reason: message, ...adviceForCode(code, '', tee), also: [] }].filter(
      ({ reason }) => reason !== '',
    );
  const byRemedy = new Map<string, Reason>();
  for (const check of [...checks.filter((one) => one.code !== ''), ...checks.filter((one) => one.code === '')]) {
    const advice = adviceForHost(check, tee);
    const known = byRemedy.get(advice.why);
    const { name, reason } = check;
    if (known === undefined) byRemedy.set(advice.why, { check: name, code: check.code, reason, ...advice, also: [] });
    else byRemedy.set(advice.why, { ...known, also: [...known.also, name] });
  }
  return [...byRemedy.values()];
}

export function formatWhy(
  { workerId: id, state, message, policy, at, retryAfterMs, reasons, todo }: Explanation,
  paint: Paint,
  width: number,
): string {
  const style =
    state === 'admitted' || state === 'draining'
      ? paint.good
      : state === 'refused' || state === 'quarantined'
        ? paint.bad
        : paint.warn;
  const under = policy === null ? '' : `   under policy #${policy.number}`;
  const when = at === null ? '' : `   ${new Date(at).toISOString()}`;
  const lines = [`worker ${id.slice(0, 16)}…   ${style(state)}${under}${when}`];
  const line = (label: string, text: string) => lines.push(labelled(label, printable(text), width, 2, 8));
  if (reasons.length === 0 && message !== '') line('', message);
  for (const one of reasons) {
    const name = one.check === '' ? one.code : one.check;
    lines.push('', `  ${paint.strong(printable(name))}${one.reason === '' ? '' : `: ${printable(one.reason)}`}`);
    line('why', one.why);
    line('do', one.todo);
    if (one.also.length > 0) line('also', one.also.join(', '));
  }
  if (reasons.length === 0) line('do', todo);
  else if (retryAfterMs > 0) line('', `It asks again by itself, every ${Math.ceil(retryAfterMs / 1000)} s.`);
  return `${lines.join('\n')}\n`;
}
