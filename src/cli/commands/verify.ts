import { type Command, Option } from 'commander';
import {
  CodedError,
  type ErrorCode,
  fromUtf8,
  type Json,
  parseStrictJson,
  toBase64,
  type UnixSeconds,
} from '../../core/index.ts';
import { readBounded, readText } from '../compose/files.ts';
import { shippedPolicy } from '../compose/shipped-policy.ts';
import { EXIT, type ExitCode, exitCodeOf, painter, wantsColour } from '../output.ts';
import { EVIDENCE_BYTES_MAX, evidenceTooLarge, KINDS, type Kind, REVOCATION_MODES } from '../verify/request.ts';
import { refusal, type VerdictWord, type VerifyResponse } from '../verify/response.ts';
import { addVendorOptions, type VendorFlags } from './vendor-options.ts';

export const COLLATERAL_FILE_BYTES_MAX = 16 * 1024 * 1024;
const EXIT_OF_VERDICT: Readonly<Record<VerdictWord, ExitCode>> = {
  verified: EXIT.accepted,
  refused: EXIT.refused,
  unavailable: EXIT.unavailable,
};

/** A flag that cannot be read, or does not go with the kind, is a mistake of whoever called, not a verdict. */
const CODES_OF_USAGE: readonly ErrorCode[] = ['EVIDENCE_KIND_UNSUPPORTED', 'USAGE_INVALID', 'REQUEST_MALFORMED'];

/** What the command touches outside itself. */
export type VerifyIo = Readonly<{
  input: AsyncIterable<Uint8Array>;
  /** Resolves when more may be written. */
  write(text: string): Promise<void>;
  width: number;
  colour: boolean;
  now(): UnixSeconds;
  exit(code: ExitCode): void;
}>;

export type VerifyFlags = VendorFlags &
  Readonly<{
    kind?: Kind;
    collateral?: string;
    fetch?: boolean;
    at?: string;
    revocation?: (typeof REVOCATION_MODES)[number];
    require?: string;
    reportData?: string;
    nonce?: string;
    policy?: string;
    batch?: boolean;
    json?: boolean;
  }>;

/** The request that the flags spell, in the same form that a batch line has. */
function requestOf(kind: Kind, evidence: Uint8Array, collateral: Json, flags: VerifyFlags, now: UnixSeconds): Json {
  const request: Record<string, Json> = {
    kind,
    evidence: toBase64(evidence),
    collateral,
    at: flags.at ?? new Date(now * 1000).toISOString(),
    revocation: flags.revocation ?? 'require',
  };
  if (flags.trustAnchor !== undefined) request.trustAnchors = flags.trustAnchor.map((spkiSha256) => ({ spkiSha256 }));
  if (flags.require !== undefined) request.require = [flags.require];
  const { reportData, nonce } = flags;
  const expect = { ...(reportData === undefined ? {} : { reportData }), ...(nonce === undefined ? {} : { nonce }) };
  if (Object.keys(expect).length > 0) request.expect = expect;
  if (flags.policy !== undefined) request.policy = policyOf(flags.policy);
  return request;
}

/** A file is read here: a request on stdin names no files. */
function policyOf(flag: string): Json {
  return flag.endsWith('.json') ? parseStrictJson(readText(flag), 'policy') : flag;
}

/** @throws CodedError for a file that is too large, or no strict JSON */
async function readCollateral(path: string | undefined): Promise<Json> {
  if (path === undefined) return null;
  const bytes = readBounded(path, COLLATERAL_FILE_BYTES_MAX);
  if (bytes === null) {
    const bytesMax = COLLATERAL_FILE_BYTES_MAX;
    throw new CodedError('COLLATERAL_MALFORMED', `collateral has at most ${bytesMax} bytes`, { bytesMax });
  }
  const { BUNDLE_VALUES_MAX } = await import('../../attestation/collateral/index.ts');
  return parseStrictJson(fromUtf8(bytes, 'collateral'), 'collateral', BUNDLE_VALUES_MAX);
}

/** What the files hold is judged; how the command was called, and files that are not there, are matters of usage. */
async function answerFile(kind: Kind, file: string, flags: VerifyFlags, io: VerifyIo): Promise<VerifyResponse> {
  const { createVerifier } = await import('../verify/answer.ts');
  const { parseVerifyRequest } = await import('../verify/request.ts');
  const { findCollateral } = await import('../collateral/for-verify.ts');
  const evidence = readBounded(file, EVIDENCE_BYTES_MAX[kind]);
  if (evidence === null) return refusal(null, evidenceTooLarge(kind));
  let collateral: Json;
  try {
    collateral = await readCollateral(flags.collateral);
  } catch (thrown) {
    if (!(thrown instanceof CodedError) || exitCodeOf(thrown.code) !== EXIT.refused) throw thrown;
    return refusal(null, thrown);
  }
  let given: ReturnType<typeof parseVerifyRequest>;
  try {
    given = parseVerifyRequest(requestOf(kind, evidence, collateral, flags, io.now()));
  } catch (cause) {
    // On the command line a request that cannot be read is a mistake of usage, not a verdict.
    if (!(cause instanceof CodedError) || cause.code === 'USAGE_INVALID') throw cause;
    throw new CodedError('USAGE_INVALID', cause.message, cause.facts, { cause });
  }
  const { request, explain } = await findCollateral(given, flags);
  return explain(await createVerifier(shippedPolicy).answer(request));
}

async function verifyFile(kind: Kind, file: string, flags: VerifyFlags, io: VerifyIo): Promise<void> {
  const { formatResponse } = await import('../verify/print.ts');
  const response = await answerFile(kind, file, flags, io);
  const isUsage = response.error !== null && CODES_OF_USAGE.includes(response.error.code);
  const text = flags.json
    ? `${JSON.stringify(response)}\n`
    : formatResponse(kind, response, painter(io.colour), io.width);
  await io.write(text);
  io.exit(isUsage ? EXIT.usage : EXIT_OF_VERDICT[response.verdict]);
}

async function verifyBatch(io: VerifyIo): Promise<void> {
  const { createVerifier } = await import('../verify/answer.ts');
  const { answerBatch } = await import('../verify/batch.ts');
  for await (const response of answerBatch(createVerifier(shippedPolicy), io.input))
    await io.write(`${JSON.stringify(response)}\n`);
}

function processIo(): VerifyIo {
  return {
    input: process.stdin,
    write: (text) =>
      new Promise((resolve, reject) => {
        process.stdout.write(text, (error) => (error == null ? resolve() : reject(error)));
      }),
    width: Math.min(process.stdout.columns ?? 100, 120),
    colour: wantsColour(process.stdout, process.env, !process.argv.includes('--no-color')),
    now: () => Math.floor(Date.now() / 1000),
    exit: (code) => {
      process.exitCode = code;
    },
  };
}

/** Adds `chrysalis verify`: is this evidence genuine? */
export function registerVerify(program: Command, io: () => VerifyIo = processIo): void {
  const command = program
    .command('verify [file]')
    .description('whether evidence is genuine: who signed it, is it in date, is it revoked');
  addVendorOptions(command)
    .addOption(new Option('--kind <kind>', 'what the file is').choices([...KINDS]))
    .option('--collateral <file>', "the vendor's endorsements: as JSON, or a bundle of chrysalis collateral")
    .option('--fetch', 'ask the vendor for them; what was fetched is kept')
    .option('--at <time>', 'judge as of this time, RFC 3339 (default: now)')
    .addOption(new Option('--revocation <mode>', 'revocation lists').choices([...REVOCATION_MODES]).default('require'))
    .addOption(new Option('--require <what>', 'ask for signatures and bindings only').choices(['signature']))
    .option('--report-data <hex>', '64 bytes that REPORT_DATA must equal')
    .option('--nonce <hex>', 'nonce that a GPU or the vTPM of an Azure guest must answer')
    .option('--policy <name>', 'judge by this policy too: the id of one in attestation-policies/, or a file *.json')
    .option('--batch', 'one JSON request per line on stdin, one answer per line, in order')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Exit codes: 0 verified, 1 refused, 2 usage, 3 could not find out. A batch exits 0: each line has its verdict.

Example:
  $ npx chrysalis verify --kind tdx-quote quote.bin --fetch
  $ npx chrysalis verify --kind tdx-quote quote.bin --collateral collateral.json --at 2026-03-01T00:00:00Z
  $ npx chrysalis verify --batch < requests.jsonl > answers.jsonl`,
    )
    .action(async (file: string | undefined, flags: VerifyFlags) => {
      if (flags.batch === true) {
        if (file !== undefined) throw new CodedError('USAGE_INVALID', '--batch reads stdin and takes no file');
        await verifyBatch(io());
        return;
      }
      if (file === undefined) throw new CodedError('USAGE_INVALID', 'name a file, or give --batch');
      if (flags.kind === undefined) throw new CodedError('USAGE_INVALID', `--kind is missing: ${KINDS.join(', ')}`);
      await verifyFile(flags.kind, file, flags, io());
    });
}
