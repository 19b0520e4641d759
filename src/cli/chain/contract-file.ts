import { z } from 'zod';
import { Address, addressOfInit, type ContractName, type ContractShapes, contractInit } from '../../chain/index.ts';
import { type Bytes, CodedError, fromHex, parseStrictJson, toHex } from '../../core/index.ts';

const address = z
  .string()
  .regex(/^(0|-1):[0-9a-f]{64}$/, 'workchain:hex')
  .transform((text) => Address.parseRaw(text));
const bytes32 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits')
  .transform((text): Bytes => fromHex(text, 'bytes'));
const amount = z
  .string()
  .regex(/^\d{1,30}$/, 'a whole number in quotes')
  .transform((text) => BigInt(text));
const seconds = z.number().int().nonnegative();

const channel = { clientKey: bytes32, closeDelaySeconds: seconds, salt: amount, client: address, payee: address };
/** What a contract is made of, as JSON: the fields of its initial data, and what `address` they are said to give. */
const FIELDS = {
  channel,
  'channel-j': { ...channel, master: address },
  court: {},
  'log-anchor': {
    minGapSeconds: seconds,
    owner: address,
    relayer: address,
    sink: address,
    origin: z.string(),
    key: bytes32,
  },
  pool: {
    owner: address,
    operator: address,
    postDelaySeconds: seconds,
    minChallenge: amount,
    bps: z.number().int().min(0).max(10_000),
    voucherKey: bytes32,
  },
  registry: { owner: address, guardian: address, timelockSeconds: seconds, params: bytes32 },
  stake: { owner: address, court: address },
} as const satisfies Record<ContractName, Record<string, z.ZodType>>;

export const CONTRACT_NAMES = Object.keys(FIELDS) as ContractName[];

/**
 * A contract's configuration from a file, as a router prints it when it is ready, or the operator wrote it down.
 * @param network of the chain that is asked; a file that names another is refused
 * @throws CodedError CONFIG_INVALID, CONTRACT_MISMATCH where its `address` is not the one that its fields give
 */
export function parseContractFile<Name extends ContractName>(
  name: Name,
  text: string,
  network: number,
): ContractShapes[Name]['config'] {
  const shape = z.strictObject({
    ...FIELDS[name],
    network: z.literal(network).default(network),
    address: address.optional(),
  });
  const parsed = shape.safeParse(parseStrictJson(text));
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`);
    throw new CodedError('CONFIG_INVALID', `the configuration of a ${name}: ${problems.join('; ')}`);
  }
  const { address: said, ...config } = parsed.data as { address?: Address };
  const typed = config as unknown as ContractShapes[Name]['config'];
  const given = addressOfInit(contractInit(name, typed));
  if (said !== undefined && !said.equals(given)) {
    throw new CodedError('CONTRACT_MISMATCH', `this configuration gives another address than the one beside it`, {
      address: said.toRawString(),
      given: given.toRawString(),
    });
  }
  return typed;
}

/** Anything a contract holds, for JSON: amounts in quotes, bytes in hexadecimal, addresses in raw form. */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return toHex(Uint8Array.from(value));
  if (value instanceof Address) return value.toRawString();
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, one]) => [String(key), plain(one)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}
