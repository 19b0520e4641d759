import {
  type BootFacts,
  type EventLogVerdict,
  type ParsedEventLog,
  parseMeasurementLog,
  RTMR_BYTES,
  verifyEventLog,
} from '../../attestation/index.ts';
import { type Bytes, CodedError, fromHex, type Json, toHex } from '../../core/index.ts';
import type { VerifyRequest } from './request.ts';
import { checkReport, errorOfChecks, type VerifyResponse } from './response.ts';

const RTMRS = 4;

/**
 * Answers requests of kind `ccel`: evidence is a CCEL log, or dstack's log in JSON; collateral is `{"rtmrs":[hex × 4]}`
 * from a quote that was verified. Without it nothing is proven, and the verdict is `unavailable`.
 */
export async function verifyCcel(request: VerifyRequest): Promise<VerifyResponse> {
  requireNothingElse(request);
  const log = parseMeasurementLog(request.evidence);
  const verdict = verifyEventLog(log, rtmrsOf(request.collateral));
  return {
    id: request.id,
    verdict: verdict.verdict,
    error: errorOfChecks(verdict.verdict, verdict.checks, () => true),
    checks: Object.fromEntries(Object.entries(verdict.checks).map(([name, check]) => [name, checkReport(check)])),
    tcb: null,
    claims: claimsOf(log, verdict),
    appraisal: null,
  };
}

/** A question this kind can't answer must not look answered. */
function requireNothingElse({ policy, expect, require }: VerifyRequest): void {
  const asked =
    policy !== null ? 'policy' : Object.keys(expect).length > 0 ? 'expect' : require.length > 0 ? 'require' : null;
  if (asked === null) return;
  throw new CodedError('USAGE_INVALID', `${asked} does not apply to an event log alone`, { field: asked });
}

function rtmrsOf(collateral: Json): Bytes[] | null {
  if (collateral === null) return null;
  const wrong = (why: string) => new CodedError('COLLATERAL_MALFORMED', `collateral ${why}`, { field: 'rtmrs' });
  if (typeof collateral !== 'object' || Array.isArray(collateral)) throw wrong('is not an object');
  const { rtmrs, ...others } = collateral as Readonly<Record<string, Json>>;
  if (Object.keys(others).length > 0) throw wrong('has a field other than rtmrs');
  if (rtmrs === undefined || rtmrs === null) return null;
  if (!Array.isArray(rtmrs) || rtmrs.length !== RTMRS) throw wrong('rtmrs is not a list of four');
  return rtmrs.map((item: Json) => {
    if (typeof item !== 'string' || item.length !== 2 * RTMR_BYTES || !/^[0-9a-fA-F]*$/.test(item)) {
      throw wrong('rtmrs has a register that is not 48 bytes in hexadecimal');
    }
    return fromHex(item);
  });
}

/** The replayed registers are a fact about the log; what it says about a machine is claimed only where they match. */
function claimsOf(log: ParsedEventLog, verdict: EventLogVerdict): Readonly<Record<string, Json>> {
  const about = {
    format: log.format,
    events: log.events.length,
    bytesUsed: log.bytesUsed,
    replayedRtmrs: verdict.replayed.map(toHex),
  };
  return verdict.verdict === 'verified' ? { ...about, ...factClaims(verdict.facts) } : about;
}

function factClaims(facts: BootFacts): Readonly<Record<string, Json>> {
  return {
    provenEvents: facts.provenEvents,
    secureBoot: facts.secureBoot,
    secureBootVariables: facts.secureBootVariables.map(({ guid, name, sha256 }) => ({
      guid,
      name,
      sha256: toHex(sha256),
    })),
    exitedBootServices: facts.exitedBootServices,
    measuredTexts: facts.texts.map(({ register, text }) => ({ rtmr: register, text })),
    runtimeEvents: facts.runtimeEvents.map(({ name, payload, version }) => ({
      name,
      payload: toHex(payload),
      version,
    })),
    dstack: Object.fromEntries(Object.entries(facts.dstack).map(([name, payload]) => [name, toHex(payload)])),
  };
}
