// Original file: proto/chrysalis/v1/release.proto


export interface ReleaseKeyRequest {
  'secret'?: (string);
  'nonce'?: (Buffer | Uint8Array | string);
  'bundle'?: (Buffer | Uint8Array | string);
  'nonceProof'?: (Buffer | Uint8Array | string);
  'publicKey'?: (Buffer | Uint8Array | string);
  'certificates'?: (Buffer | Uint8Array | string)[];
}

export interface ReleaseKeyRequest__Output {
  'secret': (string);
  'nonce': (Buffer);
  'bundle': (Buffer);
  'nonceProof': (Buffer);
  'publicKey': (Buffer);
  'certificates': (Buffer)[];
}
