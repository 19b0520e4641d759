import { Cell, loadTransaction, type Message } from '@ton/core';

const base64 = (cell: Cell) => cell.toBoc().toString('base64');

/** toncenter's form of one transaction. @param boc base64 bag of cells, as the chain keeps it */
export function transactionToJson(boc: string) {
  const cell = Cell.fromBase64(boc);
  const transaction = loadTransaction(cell.beginParse());
  const { description } = transaction;
  const storage = description.type === 'generic' ? (description.storagePhase?.storageFeesCollected ?? 0n) : 0n;
  const fee = transaction.totalFees.coins;
  return {
    '@type': 'raw.transaction',
    address: { '@type': 'accountAddress', account_address: accountOf(transaction.inMessage) },
    utime: transaction.now,
    data: boc,
    transaction_id: {
      '@type': 'internal.transactionId',
      lt: transaction.lt.toString(),
      hash: cell.hash().toString('base64'),
    },
    fee: fee.toString(),
    storage_fee: storage.toString(),
    other_fee: (fee - storage).toString(),
    ...(transaction.inMessage ? { in_msg: messageToJson(transaction.inMessage) } : {}),
    out_msgs: transaction.outMessages.values().map(messageToJson),
  };
}

function accountOf(message: Message | null | undefined): string {
  return message?.info.type === 'external-out' || !message ? '' : message.info.dest.toString();
}

function messageToJson({ info, body }: Message) {
  const inside = info.type === 'internal' ? info : null;
  return {
    '@type': 'raw.message',
    source: inside?.src.toString() ?? '',
    destination: info.type === 'external-out' ? (info.dest?.toString() ?? '') : info.dest.toString(),
    value: (inside?.value.coins ?? 0n).toString(),
    fwd_fee: (inside?.forwardFee ?? 0n).toString(),
    ihr_fee: (inside?.ihrFee ?? 0n).toString(),
    created_lt: (info.type === 'external-in' ? 0n : info.createdLt).toString(),
    body_hash: body.hash().toString('base64'),
    msg_data: { '@type': 'msg.dataRaw', body: base64(body), init_state: '' },
  };
}
