import { CodedError, type Json, parseStrictJson } from '../../../core/index.ts';

export const NRAS_ANSWER_CHARACTERS_MAX = 512 * 1024;
export const NRAS_DEVICES_MAX = 64;
const TOKEN_CHARACTERS_MAX = 16 * 1024;
const TOKEN = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** What NVIDIA's attestation service answered: signed tokens (JWS, compact), none of them verified. */
export type NrasAnswer = Readonly<{
  overall: string;
  /** By the service's names: `GPU-0`, `SWITCH-0`. */
  devices: ReadonlyMap<string, string>;
}>;

/**
 * Parses the answer of NVIDIA's remote attestation service (NRAS): `[["JWT", overall], {"GPU-0": token, …}]`.
 * @throws CodedError EVIDENCE_MALFORMED, EVIDENCE_TOO_LARGE, ENCODING_INVALID
 */
export function parseNrasAnswer(text: string): NrasAnswer {
  if (text.length > NRAS_ANSWER_CHARACTERS_MAX) {
    throw new CodedError('EVIDENCE_TOO_LARGE', `an answer has at most ${NRAS_ANSWER_CHARACTERS_MAX} characters`);
  }
  const whole = parseStrictJson(text, 'token');
  if (!Array.isArray(whole) || whole.length !== 2) throw malformed('not the pair of overall and device tokens');
  const [head, devices] = whole as [Json, Json];
  if (!Array.isArray(head) || head.length !== 2 || head[0] !== 'JWT') throw malformed('the overall token is not a JWT');
  if (typeof devices !== 'object' || devices === null || Array.isArray(devices)) throw malformed('no device tokens');
  const entries = Object.entries(devices as Record<string, Json>);
  if (entries.length === 0 || entries.length > NRAS_DEVICES_MAX) {
    throw malformed(`not between 1 and ${NRAS_DEVICES_MAX} device tokens`);
  }
  const tokens = entries.map(([name, token]): [string, string] => {
    if (!/^(?:GPU|SWITCH)-\d{1,2}$/.test(name)) throw malformed('a device token with a name that is not a device');
    return [name, tokenOf(token)];
  });
  return { overall: tokenOf((head as Json[])[1]), devices: new Map(tokens) };
}

function tokenOf(value: Json | undefined): string {
  const isToken = typeof value === 'string' && value.length <= TOKEN_CHARACTERS_MAX && TOKEN.test(value);
  if (!isToken) throw malformed('a token that is not a signed compact JWS');
  return value;
}

function malformed(why: string): CodedError {
  return new CodedError('EVIDENCE_MALFORMED', `answer of the attestation service: ${why}`);
}
