import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { KeyReleaseClient as _chrysalis_v1_KeyReleaseClient, KeyReleaseDefinition as _chrysalis_v1_KeyReleaseDefinition } from './chrysalis/v1/KeyRelease.ts';
import type { KeyReleaseAdministrationClient as _chrysalis_v1_KeyReleaseAdministrationClient, KeyReleaseAdministrationDefinition as _chrysalis_v1_KeyReleaseAdministrationDefinition } from './chrysalis/v1/KeyReleaseAdministration.ts';
import type { ListSecretsRequest as _chrysalis_v1_ListSecretsRequest, ListSecretsRequest__Output as _chrysalis_v1_ListSecretsRequest__Output } from './chrysalis/v1/ListSecretsRequest.ts';
import type { ListSecretsResponse as _chrysalis_v1_ListSecretsResponse, ListSecretsResponse__Output as _chrysalis_v1_ListSecretsResponse__Output } from './chrysalis/v1/ListSecretsResponse.ts';
import type { RegisterSecretRequest as _chrysalis_v1_RegisterSecretRequest, RegisterSecretRequest__Output as _chrysalis_v1_RegisterSecretRequest__Output } from './chrysalis/v1/RegisterSecretRequest.ts';
import type { ReleaseChallenge as _chrysalis_v1_ReleaseChallenge, ReleaseChallenge__Output as _chrysalis_v1_ReleaseChallenge__Output } from './chrysalis/v1/ReleaseChallenge.ts';
import type { ReleaseChallengeRequest as _chrysalis_v1_ReleaseChallengeRequest, ReleaseChallengeRequest__Output as _chrysalis_v1_ReleaseChallengeRequest__Output } from './chrysalis/v1/ReleaseChallengeRequest.ts';
import type { ReleaseKeyRequest as _chrysalis_v1_ReleaseKeyRequest, ReleaseKeyRequest__Output as _chrysalis_v1_ReleaseKeyRequest__Output } from './chrysalis/v1/ReleaseKeyRequest.ts';
import type { ReleaseKeyResponse as _chrysalis_v1_ReleaseKeyResponse, ReleaseKeyResponse__Output as _chrysalis_v1_ReleaseKeyResponse__Output } from './chrysalis/v1/ReleaseKeyResponse.ts';
import type { ReleaseRefusal as _chrysalis_v1_ReleaseRefusal, ReleaseRefusal__Output as _chrysalis_v1_ReleaseRefusal__Output } from './chrysalis/v1/ReleaseRefusal.ts';
import type { ReleasedKey as _chrysalis_v1_ReleasedKey, ReleasedKey__Output as _chrysalis_v1_ReleasedKey__Output } from './chrysalis/v1/ReleasedKey.ts';
import type { RevokeSecretRequest as _chrysalis_v1_RevokeSecretRequest, RevokeSecretRequest__Output as _chrysalis_v1_RevokeSecretRequest__Output } from './chrysalis/v1/RevokeSecretRequest.ts';
import type { RevokeSecretResponse as _chrysalis_v1_RevokeSecretResponse, RevokeSecretResponse__Output as _chrysalis_v1_RevokeSecretResponse__Output } from './chrysalis/v1/RevokeSecretResponse.ts';
import type { SecretState as _chrysalis_v1_SecretState, SecretState__Output as _chrysalis_v1_SecretState__Output } from './chrysalis/v1/SecretState.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  chrysalis: {
    v1: {
      KeyRelease: SubtypeConstructor<typeof grpc.Client, _chrysalis_v1_KeyReleaseClient> & { service: _chrysalis_v1_KeyReleaseDefinition }
      KeyReleaseAdministration: SubtypeConstructor<typeof grpc.Client, _chrysalis_v1_KeyReleaseAdministrationClient> & { service: _chrysalis_v1_KeyReleaseAdministrationDefinition }
      ListSecretsRequest: MessageTypeDefinition<_chrysalis_v1_ListSecretsRequest, _chrysalis_v1_ListSecretsRequest__Output>
      ListSecretsResponse: MessageTypeDefinition<_chrysalis_v1_ListSecretsResponse, _chrysalis_v1_ListSecretsResponse__Output>
      RegisterSecretRequest: MessageTypeDefinition<_chrysalis_v1_RegisterSecretRequest, _chrysalis_v1_RegisterSecretRequest__Output>
      ReleaseChallenge: MessageTypeDefinition<_chrysalis_v1_ReleaseChallenge, _chrysalis_v1_ReleaseChallenge__Output>
      ReleaseChallengeRequest: MessageTypeDefinition<_chrysalis_v1_ReleaseChallengeRequest, _chrysalis_v1_ReleaseChallengeRequest__Output>
      ReleaseKeyRequest: MessageTypeDefinition<_chrysalis_v1_ReleaseKeyRequest, _chrysalis_v1_ReleaseKeyRequest__Output>
      ReleaseKeyResponse: MessageTypeDefinition<_chrysalis_v1_ReleaseKeyResponse, _chrysalis_v1_ReleaseKeyResponse__Output>
      ReleaseRefusal: MessageTypeDefinition<_chrysalis_v1_ReleaseRefusal, _chrysalis_v1_ReleaseRefusal__Output>
      ReleasedKey: MessageTypeDefinition<_chrysalis_v1_ReleasedKey, _chrysalis_v1_ReleasedKey__Output>
      RevokeSecretRequest: MessageTypeDefinition<_chrysalis_v1_RevokeSecretRequest, _chrysalis_v1_RevokeSecretRequest__Output>
      RevokeSecretResponse: MessageTypeDefinition<_chrysalis_v1_RevokeSecretResponse, _chrysalis_v1_RevokeSecretResponse__Output>
      SecretState: MessageTypeDefinition<_chrysalis_v1_SecretState, _chrysalis_v1_SecretState__Output>
    }
  }
}

