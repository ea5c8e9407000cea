"""A local policy keeps the contract of every chat model."""

from sandmle.core.conformance.llm import check_chat_model


async def test_a_local_policy_is_a_chat_model(provider, policy_dir):
    await check_chat_model(provider.open_model(f"local/{policy_dir}"))
