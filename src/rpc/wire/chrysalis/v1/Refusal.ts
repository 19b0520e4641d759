// Original file: proto/chrysalis/v1/worker.proto


export interface Refusal {
  'code'?: (string);
  'message'?: (string);
  'failedChecks'?: (string)[];
  'retryAfterMs'?: (number);
}

export interface Refusal__Output {
  'code': (string);
  'message': (string);
  'failedChecks': (string)[];
  'retryAfterMs': (number);
}
