// Original file: proto/chrysalis/v1/release.proto


export interface ReleaseRefusal {
  'code'?: (string);
  'message'?: (string);
  'failedChecks'?: (string)[];
  'retryAfterMs'?: (number);
}

export interface ReleaseRefusal__Output {
  'code': (string);
  'message': (string);
  'failedChecks': (string)[];
  'retryAfterMs': (number);
}
