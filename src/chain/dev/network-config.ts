import { beginCell, Cell, Dictionary, type DictionaryValue } from '@ton/core';

/**
 * TON's prices as they were in force on 2026-06-01, and so what the contracts cost in earnest: the configuration that
 * comes with the emulator is of 2025 and six times dearer. Prices are in nanoTON; where `/65536`, in 1/65536 nanoTON.
 */
const STORAGE_PRICES = [
  { since: 0, bit: 1n, cell: 500n, masterchainBit: 1000n, masterchainCell: 500_000n },
  { since: 1_777_500_000, bit: 0n, cell: 135n, masterchainBit: 1000n, masterchainCell: 500_000n },
] as const; // per second, /65536

const GAS_PRICES = {
  masterchain: {
    flatLimit: 100n,
    flatPrice: 1_000_000n,
    price: 655_360_000n, // /65536
    limit: 1_000_000n,
    specialLimit: 70_000_000n,
    credit: 10_000n,
    blockLimit: 2_500_000n,
    freezeDue: 100_000_000n,
    deleteDue: 1_000_000_000n,
  },
  basechain: {
    flatLimit: 100n,
    flatPrice: 6_667n,
    price: 4_369_067n, // /65536: 66.67 nanoTON a unit
    limit: 1_000_000n,
    specialLimit: 1_000_000n,
    credit: 10_000n,
    blockLimit: 10_000_000n,
    freezeDue: 100_000_000n,
    deleteDue: 1_000_000_000n,
  },
} as const;

const FORWARD_PRICES = {
  masterchain: { lump: 10_000_000n, bit: 655_360_000n, cell: 65_536_000_000n },
  basechain: { lump: 66_667n, bit: 4_369_067n, cell: 436_906_667n },
} as const; // bit and cell /65536
const IHR_FACTOR = 98_304; // /65536
const FIRST_FRACTION = 21_845; // of 65536: what the first hop keeps
const NEXT_FRACTION = 21_845;

type Gas = (typeof GAS_PRICES)['masterchain' | 'basechain'];
type Forward = (typeof FORWARD_PRICES)['masterchain' | 'basechain'];
type Storage = (typeof STORAGE_PRICES)[number];

const storagePrices: DictionaryValue<Storage> = {
  serialize: (prices, builder) => {
    builder
      .storeUint(0xcc, 8)
      .storeUint(prices.since, 32)
      .storeUint(prices.bit, 64)
      .storeUint(prices.cell, 64)
      .storeUint(prices.masterchainBit, 64)
      .storeUint(prices.masterchainCell, 64);
  },
  parse: () => {
    throw new Error('storage prices are only written');
  },
};

function storageCell(): Cell {
  const entries = Dictionary.empty(Dictionary.Keys.Uint(32), storagePrices);
  for (const prices of STORAGE_PRICES) entries.set(prices.since, prices);
  return beginCell().storeDictDirect(entries).endCell();
}

function gasCell(gas: Gas): Cell {
  return beginCell()
    .storeUint(0xd1, 8)
    .storeUint(gas.flatLimit, 64)
    .storeUint(gas.flatPrice, 64)
    .storeUint(0xde, 8)
    .storeUint(gas.price, 64)
    .storeUint(gas.limit, 64)
    .storeUint(gas.specialLimit, 64)
    .storeUint(gas.credit, 64)
    .storeUint(gas.blockLimit, 64)
    .storeUint(gas.freezeDue, 64)
    .storeUint(gas.deleteDue, 64)
    .endCell();
}

function forwardCell(forward: Forward): Cell {
  return beginCell()
    .storeUint(0xea, 8)
    .storeUint(forward.lump, 64)
    .storeUint(forward.bit, 64)
    .storeUint(forward.cell, 64)
    .storeUint(IHR_FACTOR, 32)
    .storeUint(FIRST_FRACTION, 16)
    .storeUint(NEXT_FRACTION, 16)
    .endCell();
}

/**
 * The emulator's configuration with the prices above (parameters 18, 20, 21, 24, 25) and the network's global id (19).
 * @param emulatorConfig base64 bag of cells: the configuration that comes with the emulator
 */
export function networkConfig(emulatorConfig: string, network: number): Cell {
  const params = Cell.fromBase64(emulatorConfig)
    .beginParse()
    .loadDictDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
  params.set(18, storageCell());
  params.set(19, beginCell().storeInt(network, 32).endCell());
  params.set(20, gasCell(GAS_PRICES.masterchain));
  params.set(21, gasCell(GAS_PRICES.basechain));
  params.set(24, forwardCell(FORWARD_PRICES.masterchain));
  params.set(25, forwardCell(FORWARD_PRICES.basechain));
  return beginCell().storeDictDirect(params).endCell();
}
