import type { Cell, Slice } from '@ton/core';

/** What the explorer can say of a message body: an operation of one of our contracts, or what else it is. */
export type Decoded = Readonly<{ name: string; fields: readonly (readonly [string, string])[] }>;

/** After the operation and its query id: `name:kind`, separated by spaces. */
const OPERATIONS: Readonly<Record<number, readonly [string, string]>> = {
  1128792065: ['channel top_up', 'amount:coins'],
  1128792066: ['channel claim', 'signature:signature voucher:cell'],
  1128792067: ['channel start_close', ''],
  1128792068: ['channel finish_close', ''],
  1128792069: ['channel payee_close', ''],
  1128792080: ['channel_paid', 'claimed:coins'],
  1347158017: ['pool post', 'root:hash sum:coins epoch:u32 covers:u32'],
  1347158018: ['pool claim_leaf', 'payee:hash cumulative:coins index:u32 proof:maybe'],
  1347158019: ['pool challenge', 'key:hash signature:signature voucher:cell'],
  1347158020: ['pool enforce', 'payee:hash'],
  1347158021: ['pool veto', ''],
  1347158022: ['pool withdraw', 'amount:coins'],
  1347158023: ['pool set_operator', 'operator:address'],
  1347158024: ['pool set_key', 'key:hash'],
  1347158025: ['pool set_fee', 'bps:u16'],
  1347158026: ['pool bond_in', 'amount:coins'],
  1347158027: ['pool unbond', 'amount:coins'],
  1347158028: ['pool take_bond', ''],
  1347158029: ['pool release', 'channel:address'],
  1279328257: ['log anchor', 'size:u64 root:hash signature:signature proof:maybe'],
  1279328258: ['log equivocation', 'size:u64 root:hash signature:signature other:cell'],
  1279328259: ['log dispute', 'size:u64 root:hash signature:signature'],
  1279328260: ['log answer', 'size:u64 proof:maybe'],
  1279328261: ['log expire', 'size:u64'],
  1279328262: ['log propose_key', 'key:hash'],
  1279328263: ['log accept_key', ''],
  1279328264: ['log freeze', 'on:flag'],
  1279328265: ['log query_head', 'size:u64'],
  1279328266: ['log bond_in', 'amount:coins'],
  1279328267: ['log unbond', 'amount:coins'],
  1279328268: ['log take_bond', ''],
  1279328272: ['log head_reply', 'size:u64 root:hash at:u32'],
  1380384769: ['registry propose', 'order:cell'],
  1380384770: ['registry execute', 'seq:u32 order:cell'],
  1380384771: ['registry cancel', 'seq:u32'],
  1380384772: ['registry drop', 'seq:u32'],
  1380384773: ['registry revoke', 'set:u8 key:hash'],
  1380384774: ['registry router_keys', 'id:hash dispatch:hash endpoint:hash'],
  1398013953: ['stake slash', 'amount:coins to:address'],
  1398013954: ['stake hold', 'until:u32'],
  1398013955: ['stake bond_in', 'amount:coins'],
  1398013956: ['stake unbond', 'amount:coins'],
  1398013957: ['stake take_bond', ''],
};
/** What a wallet of version 5 signs: tag, wallet id, valid until, sequence number. */
const SIGNED_TRANSFER = 0x7369676e;

const READ: Readonly<Record<string, (slice: Slice) => string>> = {
  coins: (slice) => `${ton(slice.loadCoins())} TON`,
  hash: (slice) => slice.loadBuffer(32).toString('hex'),
  u8: (slice) => slice.loadUint(8).toString(),
  u16: (slice) => slice.loadUint(16).toString(),
  u32: (slice) => slice.loadUint(32).toString(),
  u64: (slice) => slice.loadUintBig(64).toString(),
  flag: (slice) => (slice.loadBit() ? 'yes' : 'no'),
  address: (slice) => slice.loadAddress().toRawString(),
  signature: (slice) => slice.loadBuffer(64).toString('hex'),
  cell: (slice) => `cell ${slice.loadRef().hash().toString('hex')}`,
  maybe: (slice) => {
    const cell = slice.loadMaybeRef();
    return cell === null ? 'none' : `cell ${cell.hash().toString('hex')}`;
  },
};

export function ton(nano: bigint): string {
  const fraction = (nano % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${nano / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Never throws: a body that does not fit its operation is shown as what it is. */
export function decodeBody(body: Cell): Decoded {
  const slice = body.beginParse();
  if (slice.remainingBits === 0 && slice.remainingRefs === 0) return { name: 'plain transfer', fields: [] };
  const size = `${slice.remainingBits} bits, ${slice.remainingRefs} references`;
  if (slice.remainingBits < 32) return { name: 'no operation', fields: [['body', size]] };
  const tag = slice.loadUint(32);
  const unknown = { name: `operation 0x${tag.toString(16).padStart(8, '0')}`, fields: [['body', size]] as const };
  try {
    if (tag === SIGNED_TRANSFER) {
      slice.skip(64);
      return { name: 'wallet transfer, signed', fields: [['sequence number', slice.loadUint(32).toString()]] };
    }
    const known = OPERATIONS[tag];
    if (known === undefined) return unknown;
    const [name, layout] = known;
    const fields: [string, string][] = [['query', slice.loadUintBig(64).toString()]];
    for (const field of layout.split(' ').filter((one) => one !== '')) {
      const [label = '', kind = ''] = field.split(':');
      fields.push([label, READ[kind]?.(slice) ?? '']);
    }
    slice.endParse();
    return { name, fields };
  } catch {
    return { ...unknown, name: `${unknown.name}, malformed` };
  }
}

/** Names of what each contract's get-methods answer, in order. */
export const GETTERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  channel: {
    channel_state: 'version state deposited claimed close_at',
    channel_config: 'network client_key close_delay salt client payee',
  },
  'channel-j': {
    channel_state: 'version state deposited_tokens claimed_tokens close_at wallet',
    channel_config: 'network client_key close_delay salt master client payee',
  },
  court: { court_info: 'version network' },
  pool: {
    pool_state:
      'version root root_sum prev_root prev_sum root_paid epoch covers pending_root pending_sum pending_epoch pending_covers pending_at seen fee withdrawn paid bond unbond unbond_at bps next_bps next_at',
  },
  'log-anchor': {
    anchor_head: 'state seq size root at',
    anchor_keys: 'key prev prev_until next next_at',
    anchor_bond: 'bond unbond unbond_at open_disputes',
  },
  registry: { registry_info: 'version seq next_op timelock owner guardian params' },
  stake: { stake_state: 'bond unbond unbond_at hold_until' },
};
