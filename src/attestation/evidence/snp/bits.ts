/** One bit of a field: its position (0 is the least significant), its name in AMD 56860, and what it means when set. */
export type SnpBit = Readonly<{ bit: number; name: string; meaning: string }>;

/** GUEST_POLICY above its two ABI version bytes; bits that are not listed are reserved and must be zero. */
export const GUEST_POLICY_BITS: readonly SnpBit[] = [
  { bit: 16, name: 'SMT', meaning: 'the guest may run on a host with simultaneous multithreading' },
  { bit: 17, name: 'RESERVED_ONE', meaning: 'always one' },
  { bit: 18, name: 'MIGRATE_MA', meaning: 'a migration agent may move this guest: it is in the trusted base' },
  { bit: 19, name: 'DEBUG', meaning: 'the host may read and change the guest: nothing in it is confidential' },
  { bit: 20, name: 'SINGLE_SOCKET', meaning: 'the guest runs on one socket only' },
  { bit: 21, name: 'CXL_ALLOW', meaning: 'CXL devices and memory may be populated' },
  { bit: 22, name: 'MEM_AES_256_XTS', meaning: 'memory encryption must be AES-256 XTS' },
  { bit: 23, name: 'RAPL_DIS', meaning: 'running average power limit must be disabled' },
  { bit: 24, name: 'CIPHERTEXT_HIDING', meaning: 'the host must not see ciphertext of guest memory' },
  { bit: 25, name: 'PAGE_SWAP_DISABLE', meaning: 'the host may not swap or move guest pages' },
];

/** PLATFORM_INFO; unknown bits are kept and reported, since newer firmware sets more. */
export const PLATFORM_INFO_BITS: readonly SnpBit[] = [
  { bit: 0, name: 'SMT_EN', meaning: 'simultaneous multithreading is on' },
  { bit: 1, name: 'TSME_EN', meaning: 'transparent memory encryption is on' },
  { bit: 2, name: 'ECC_EN', meaning: 'memory has error correction' },
  { bit: 3, name: 'RAPL_DIS', meaning: 'running average power limit is disabled' },
  { bit: 4, name: 'CIPHERTEXT_HIDING_EN', meaning: 'ciphertext hiding is on' },
  {
    bit: 5,
    name: 'ALIAS_CHECK_COMPLETE',
    meaning: 'memory aliasing (CVE-2024-21944) was looked for since the last reset',
  },
  { bit: 6, name: 'IOMMU_WRITE_SAFE', meaning: 'the IOMMU keeps devices from writing guest memory' },
  { bit: 7, name: 'TIO_EN', meaning: 'trusted I/O is on' },
];

/** Names of set bits in bit order, and positions of set bits that the table does not know. */
export type SnpBits = Readonly<{ names: readonly string[]; reservedBits: readonly number[] }>;

function readBits(value: bigint, table: readonly SnpBit[], firstBit: number): SnpBits {
  const known = new Map(table.map(({ bit, name }) => [bit, name]));
  const names: string[] = [];
  const reservedBits: number[] = [];
  for (let bit = firstBit; bit < 64; bit++) {
    if (((value >> BigInt(bit)) & 1n) === 0n) continue;
    const name = known.get(bit);
    if (name === undefined) reservedBits.push(bit);
    else names.push(name);
  }
  return { names, reservedBits };
}

/** Facts that a guest's policy states; whether they are acceptable is for the appraisal policy. */
export type SnpGuestPolicy = SnpBits &
  Readonly<{
    abiMajor: number;
    abiMinor: number;
    smtAllowed: boolean;
    migrateMa: boolean;
    debug: boolean;
    singleSocket: boolean;
    cxlAllowed: boolean;
    /** Whether bit 17 is one and every reserved bit zero. */
    wellFormed: boolean;
  }>;

/** Reads GUEST_POLICY (AMD 56860). Every bit is reported, none judged. The launch digest does not cover it. */
export function readGuestPolicy(policy: bigint): SnpGuestPolicy {
  const bits = readBits(policy, GUEST_POLICY_BITS, 16);
  const has = (name: string) => bits.names.includes(name);
  return {
    ...bits,
    abiMinor: Number(policy & 0xffn),
    abiMajor: Number((policy >> 8n) & 0xffn),
    smtAllowed: has('SMT'),
    migrateMa: has('MIGRATE_MA'),
    debug: has('DEBUG'),
    singleSocket: has('SINGLE_SOCKET'),
    cxlAllowed: has('CXL_ALLOW'),
    wellFormed: has('RESERVED_ONE') && bits.reservedBits.length === 0,
  };
}

export type SnpPlatformInfo = SnpBits & Readonly<{ smtEnabled: boolean; aliasCheckComplete: boolean }>;

/** Reads PLATFORM_INFO (AMD 56860). Every bit is reported, none judged. */
export function readPlatformInfo(platformInfo: bigint): SnpPlatformInfo {
  const bits = readBits(platformInfo, PLATFORM_INFO_BITS, 0);
  return {
    ...bits,
    smtEnabled: bits.names.includes('SMT_EN'),
    aliasCheckComplete: bits.names.includes('ALIAS_CHECK_COMPLETE'),
  };
}
