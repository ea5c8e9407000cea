"""The wire protocols of providers, as their servers speak them: a request read, a reply written."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandmle.core.types.message import Message, ModelReply, ToolCall
from sandmle.plugins.llms.tool_calls import from_wire, wire_call

from .server import Answer, Request, Responder


@dataclass(frozen=True)
class Protocol:
    """How one provider is spoken to."""

    name: str
    model: str
    """A model string of it."""
    suffix: str
    """What an address of it ends in."""
    key_variable: str | None
    key_header: str | None
    read: Callable[[Any], list[Message]]
    write: Callable[[ModelReply], Any]

    def responder(self, play: Callable[[list[Message], Request], ModelReply]) -> Responder:
        """Answers every request with what `play` says to its conversation."""

        def respond(request: Request) -> Answer:
            # Ollama is asked what a model can do before it is asked anything else.
            if request.path.endswith("/api/show"):
                return Answer.json({"capabilities": ["tools"], "template": "", "model_info": {}})
            return Answer.json(self.write(play(self.read(request.body), request)))

        return respond


def _read_openai(body: Any) -> list[Message]:
    return [from_wire(message) for message in body["messages"]]


def _write_openai(reply: ModelReply) -> Any:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.tool_calls:
        message["tool_calls"] = [wire_call(call) for call in reply.tool_calls]
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning.text
    reason = "tool_calls" if reply.tool_calls else reply.finish_reason
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "test",
        "choices": [{"index": 0, "finish_reason": reason, "message": message}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }  # fmt: skip


def _read_anthropic(body: Any) -> list[Message]:
    system = body.get("system") or []
    text = system if isinstance(system, str) else "".join(block["text"] for block in system)
    found = [Message(role="system", content=text)] if text else []
    for message in body["messages"]:
        found.extend(_read_blocks(message["role"], message["content"]))
    return found


def _read_blocks(role: Any, content: Any) -> list[Message]:
    if isinstance(content, str):
        return [Message(role=role, content=content)]
    results = [
        Message(role="tool", content=_text_of(block["content"]), tool_call_id=block["tool_use_id"])
        for block in content
        if block["type"] == "tool_result"
    ]
    calls = tuple(
        ToolCall(call_id=block["id"], name=block["name"], arguments=json.dumps(block["input"]))
        for block in content
        if block["type"] == "tool_use"
    )
    texts = [block["text"] for block in content if block["type"] == "text"]
    said = [Message(role=role, content="".join(texts), tool_calls=calls)] if texts or calls else []
    return [*results, *said]


def _text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


def _write_anthropic(reply: ModelReply) -> Any:
    content: list[dict[str, Any]] = []
    if reply.reasoning:
        content.append({"type": "thinking", "thinking": reply.reasoning.text, "signature": "signed"})
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    content += [
        {"type": "tool_use", "id": call.call_id, "name": call.name, "input": json.loads(call.arguments)}
        for call in reply.tool_calls
    ]
    cut = "max_tokens" if reply.finish_reason == "length" else "end_turn"
    return {
        "id": "m", "type": "message", "role": "assistant", "model": "test", "content": content,
        "stop_reason": "tool_use" if reply.tool_calls else cut, "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 3},
    }  # fmt: skip


def _read_gemini(body: Any) -> list[Message]:
    system = body.get("systemInstruction") or body.get("system_instruction") or {"parts": []}
    text = "".join(part.get("text", "") for part in system["parts"])
    found = [Message(role="system", content=text)] if text else []
    for content in body["contents"]:
        found.extend(_read_parts(content, first=not found))
    return found


def _read_parts(content: Any, *, first: bool) -> list[Message]:
    role: Any = "assistant" if content["role"] == "model" else "user"
    found, texts, calls = [], [], []
    for at, part in enumerate(content["parts"]):
        call = part.get("functionCall") or part.get("function_call")
        result = part.get("functionResponse") or part.get("function_response")
        if call:
            calls.append(
                ToolCall(call_id=f"{call['name']}-{at}", name=call["name"], arguments=json.dumps(call["args"]))
            )
        elif result:
            found.append(Message(role="tool", content=result["response"]["content"], tool_call_id=result["name"]))
        elif not part.get("thought"):
            texts.append(part["text"])
    if first and len(texts) > 1:
        # litellm puts the instructions of a model that it does not know before what the user says.
        found.append(Message(role="system", content=texts.pop(0)))
    if texts or calls:
        found.append(Message(role=role, content="".join(texts), tool_calls=tuple(calls)))
    return found


def _write_gemini(reply: ModelReply) -> Any:
    parts: list[dict[str, Any]] = []
    if reply.reasoning:
        parts.append({"text": reply.reasoning.text, "thought": True})
    if reply.text:
        parts.append({"text": reply.text})
    parts += [{"functionCall": {"name": call.name, "args": json.loads(call.arguments)}} for call in reply.tool_calls]
    reason = "MAX_TOKENS" if reply.finish_reason == "length" else "STOP"
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 3, "totalTokenCount": 14},
    }


def _read_ollama(body: Any) -> list[Message]:
    found = []
    for message in body["messages"]:
        functions = [call["function"] for call in message.get("tool_calls") or ()]
        calls = tuple(
            ToolCall(call_id=f"call-{at}", name=one["name"], arguments=json.dumps(one["arguments"]))
            for at, one in enumerate(functions)
        )
        found.append(Message(role=message["role"], content=message.get("content") or "", tool_calls=calls))
    return found


def _write_ollama(reply: ModelReply) -> Any:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.reasoning:
        message["thinking"] = reply.reasoning.text
    if reply.tool_calls:
        message["tool_calls"] = [
            {"function": {"name": call.name, "arguments": json.loads(call.arguments)}} for call in reply.tool_calls
        ]
    return {
        "model": "test", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": True,
        "done_reason": reply.finish_reason, "prompt_eval_count": 11, "eval_count": 3,
    }  # fmt: skip


PROTOCOLS = {
    one.name: one
    for one in (
        Protocol("openai", "openai/test", "/v1", "OPENAI_API_KEY", "authorization", _read_openai, _write_openai),
        Protocol(
            "anthropic", "anthropic/test", "", "ANTHROPIC_API_KEY", "x-api-key", _read_anthropic, _write_anthropic
        ),
        Protocol("ollama", "ollama_chat/test", "", None, None, _read_ollama, _write_ollama),
        Protocol("gemini", "gemini/test", "", "GEMINI_API_KEY", "x-goog-api-key", _read_gemini, _write_gemini),
        Protocol(
            "vllm", "hosted_vllm/test", "/v1", "HOSTED_VLLM_API_KEY", "authorization", _read_openai, _write_openai
        ),
    )
}
"""Provider's protocol to how it is spoken."""
