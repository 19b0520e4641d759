import { CodedError } from '../../core/index.ts';
import type { ChatMessage } from '../../session/index.ts';
import type { GenerateRequest } from './engine.ts';

export type PromptText = Readonly<{ text: string; addSpecialTokens: boolean }>;
/** A message of text alone, as templates take it. */
export type TextMessage = Readonly<{ role: ChatMessage['role']; content: string }>;
export type RenderTemplate = (messages: readonly TextMessage[]) => string;

/**
 * The text that the model goes on from. Special tokens written inside a message are broken by a space, so that no
 * message can pretend to be another turn; a raw prompt is its writer's own.
 * @param template null where the model has none: then a plain transcript
 * @throws CodedError REQUEST_INVALID
 */
export function promptText(
  request: Pick<GenerateRequest, 'messages' | 'prompt' | 'prefix'>,
  template: RenderTemplate | null,
  specialTokens: readonly string[],
): PromptText {
  if (request.prompt !== undefined && request.messages.length === 0) {
    return { text: request.prompt, addSpecialTokens: true };
  }
  if (request.messages.length === 0 || request.prompt !== undefined) {
    throw new CodedError('REQUEST_INVALID', 'a request has messages or a prompt, not both');
  }
  const messages = request.messages.map(({ role, content }) => ({
    role,
    content: withoutSpecial(textOf(content), specialTokens),
  }));
  const begun = withoutSpecial(request.prefix ?? '', specialTokens);
  if (template === null) return { text: transcript(messages) + begun, addSpecialTokens: true };
  try {
    return { text: template(messages) + begun, addSpecialTokens: false };
  } catch (cause) {
    throw new CodedError('REQUEST_INVALID', "the model's chat template refuses these messages", {}, { cause });
  }
}

/** @throws CodedError REQUEST_UNSUPPORTED for a part that is not text */
function textOf(content: ChatMessage['content']): string {
  if (typeof content === 'string') return content;
  return content
    .map((part) => {
      if (part.type === 'text') return part.text;
      throw new CodedError('REQUEST_UNSUPPORTED', 'messages: this model reads text alone', { param: 'messages' });
    })
    .join('');
}

function withoutSpecial(content: string, specialTokens: readonly string[]): string {
  let out = content;
  for (const token of specialTokens) out = out.replaceAll(token, `${token.slice(0, 1)} ${token.slice(1)}`);
  return out;
}

function transcript(messages: readonly TextMessage[]): string {
  return `${messages.map(({ role, content }) => `${role}: ${content}\n`).join('')}assistant:`;
}
