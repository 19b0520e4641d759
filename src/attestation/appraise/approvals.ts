import { ed25519Sign, ed25519Verify, type SigningKey, sha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  canonicalJson,
  canonicalJsonBytes,
  fromBase64,
  fromHex,
  fromUtf8,
  type Json,
  parseStrictJson,
  toBase64,
  toHex,
  utf8,
} from '../../core/index.ts';

/** Keys of people who may write or approve policies, by name; brought by whoever checks. */
export type Approvers = ReadonlyMap<string, Bytes>;
export type ApprovalRole = 'author' | 'approver';

/** What everybody who approves a policy signs. */
export type PolicyStatement = Readonly<{
  policyDigest: Bytes;
  number: number;
  /** Least number of entries that a log holds before the policy may come into force there; null: at once. */
  effectiveFromIndex: number | null;
}>;

/** One signature: in its protected header, whose it is (RFC 7638 thumbprint of the key) and in which role. */
export type Approval = Readonly<{ kid: string; role: ApprovalRole; protected: string; signature: Bytes }>;

/** A JWS of several signatures (RFC 7515, section 7.2.1) over one statement. */
export type Approvals = Readonly<{ statement: PolicyStatement; signatures: readonly Approval[] }>;

const TYPE = 'chrysalis-policy-approval+jws';
const ALGORITHM = 'EdDSA';
const APPROVALS_MAX = 16;
const TEXT_BYTES_MAX = 16 * 1024;
const SIGNATURE_BYTES = 64;
const APPROVALS_LEAST = 2;

const malformed = (why: string) => new CodedError('OBJECT_MALFORMED', `policy approvals: ${why}`);

const toBase64Url = (bytes: Uint8Array) =>
  toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** Unpadded and canonical (RFC 7515, section 2). */
function fromBase64Url(text: Json | undefined, field: string): Bytes {
  if (typeof text !== 'string' || !/^[\w-]*$/.test(text)) throw malformed(`${field} is not base64url`);
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return fromBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, '='), field);
}

/** RFC 7638 thumbprint of an Ed25519 key, in base64url. */
export function approverKid(publicKey: Uint8Array): string {
  return toBase64Url(sha256(canonicalJsonBytes({ kty: 'OKP', crv: 'Ed25519', x: toBase64Url(publicKey) })));
}

/** The statement's one encoding: canonical JSON (RFC 8785). */
const statementBytes = ({ policyDigest, number, effectiveFromIndex }: PolicyStatement) =>
  canonicalJsonBytes({ policyDigest: `sha256:${toHex(policyDigest)}`, number, effectiveFromIndex });

export const isSameStatement = (a: PolicyStatement, b: PolicyStatement) =>
  toHex(statementBytes(a)) === toHex(statementBytes(b));

const signingInput = (header: string, statement: PolicyStatement) =>
  utf8(`${header}.${toBase64Url(statementBytes(statement))}`);

/** One person's signature of a statement. */
export async function signApproval(key: SigningKey, role: ApprovalRole, statement: PolicyStatement): Promise<Approval> {
  const kid = approverKid(key.publicKey);
  const header = toBase64Url(canonicalJsonBytes({ alg: ALGORITHM, kid, role, typ: TYPE }));
  return { kid, role, protected: header, signature: await ed25519Sign(key, signingInput(header, statement)) };
}

/** JWS in the general JSON serialization. */
export function encodeApprovals({ statement, signatures }: Approvals): Bytes {
  const rows = signatures.map(({ protected: header, signature }) => ({
    protected: header,
    signature: toBase64Url(signature),
  }));
  return utf8(`${canonicalJson({ payload: toBase64Url(statementBytes(statement)), signatures: rows })}\n`);
}

/**
 * Reads what {@link encodeApprovals} writes, and nothing beside it: no unprotected header, no header that this does not
 * know, no other algorithm or type. Whether the signatures hold is for {@link approvalProblems}.
 * @throws CodedError OBJECT_MALFORMED, ENCODING_INVALID
 */
export function parseApprovals(bytes: Uint8Array): Approvals {
  if (bytes.length > TEXT_BYTES_MAX) throw malformed('too long');
  const { payload, signatures } = membersOf(bytes, ['payload', 'signatures'], 'JWS');
  if (!Array.isArray(signatures) || signatures.length > APPROVALS_MAX) throw malformed('no list of signatures');
  return { statement: parseStatement(fromBase64Url(payload, 'payload')), signatures: signatures.map(parseSignature) };
}

function parseStatement(bytes: Bytes): PolicyStatement {
  const fields = membersOf(bytes, ['policyDigest', 'number', 'effectiveFromIndex'], 'statement');
  const { policyDigest, number, effectiveFromIndex } = fields;
  if (typeof policyDigest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(policyDigest)) throw malformed('no digest');
  if (!isCount(number)) throw malformed('no number');
  if (effectiveFromIndex !== null && !isCount(effectiveFromIndex)) throw malformed('effectiveFromIndex is no index');
  const statement = { policyDigest: fromHex(policyDigest.slice(7)), number, effectiveFromIndex };
  // What is signed again or shown is encoded anew: it has to be what was signed.
  if (toHex(statementBytes(statement)) !== toHex(bytes)) throw malformed('the statement is not in canonical form');
  return statement;
}

function parseSignature(row: Json): Approval {
  const { protected: header, signature: encoded } = exactly(row, ['protected', 'signature'], 'signature');
  const { alg, kid, role, typ } = membersOf(
    fromBase64Url(header, 'protected header'),
    ['alg', 'kid', 'role', 'typ'],
    'protected header',
  );
  if (alg !== ALGORITHM || typ !== TYPE) throw malformed(`a header is not of ${ALGORITHM} and ${TYPE}`);
  if (typeof kid !== 'string' || (role !== 'author' && role !== 'approver')) throw malformed('no key, or no role');
  const signature = fromBase64Url(encoded, 'signature');
  if (signature.length !== SIGNATURE_BYTES) throw malformed('a signature is not of 64 bytes');
  return { kid, role, protected: header as string, signature };
}

const isCount = (value: Json | undefined): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function membersOf<Name extends string>(bytes: Uint8Array, names: readonly Name[], what: string) {
  return exactly(parseStrictJson(fromUtf8(bytes, what), what), names, what);
}

/** A record's members, where it has exactly these. */
function exactly<Name extends string>(value: Json, names: readonly Name[], what: string): Record<Name, Json> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} is no object`);
  const found = Object.keys(value).sort().join();
  if (found !== [...names].sort().join()) throw malformed(`${what} has other members than ${names.join(', ')}`);
  return value as Record<Name, Json>;
}

/**
 * What is wrong with the approvals of a policy; empty where its author signed it as its author, and another person, with
 * another key, as its approver. Signatures of keys that nobody named count for nothing.
 */
export async function approvalProblems(
  { statement, signatures }: Approvals,
  policy: Readonly<{ digest: Uint8Array; number: number }>,
  approvers: Approvers,
): Promise<string[]> {
  if (toHex(statement.policyDigest) !== toHex(policy.digest) || statement.number !== policy.number) {
    return [`the signatures are of another policy, #${statement.number}`];
  }
  const { people, problems } = await signersOf({ statement, signatures }, approvers);
  if (people.size < APPROVALS_LEAST) problems.push(`${people.size} of ${APPROVALS_LEAST} people signed it`);
  const roles = [...people.values()];
  for (const role of ['author', 'approver'] as const) {
    if (people.size >= APPROVALS_LEAST && !roles.includes(role)) problems.push(`nobody signed it as its ${role}`);
  }
  return problems;
}

/**
 * Who of those named signed the statement, by key and with the role, and what is wrong with their signatures. Those of
 * keys that nobody named are left out.
 */
export async function signersOf(
  { statement, signatures }: Approvals,
  approvers: Approvers,
): Promise<Readonly<{ people: ReadonlyMap<string, ApprovalRole>; problems: string[] }>> {
  const named = new Map([...approvers].map(([name, key]) => [approverKid(key), { name, key }]));
  const problems: string[] = [];
  const people = new Map<string, ApprovalRole>();
  for (const { kid, role, protected: header, signature } of signatures) {
    const person = named.get(kid);
    if (person === undefined) continue;
    const { name, key } = person;
    if (!(await ed25519Verify(key, signingInput(header, statement), signature)))
      problems.push(`the signature of ${name} does not hold`);
    else if (people.has(kid)) problems.push(`${name} signed twice`);
    else people.set(kid, role);
  }
  return { people, problems };
}
