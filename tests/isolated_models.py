"""Bodies for processes of their own that ask models; what they import takes a while."""

from langchain_core.messages import AIMessage

from tests.fakes import ScriptedChatModel


def asks_a_model(_, context):
    """Ask a model, fail at the first attempt, and ask once more."""
    used = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    ScriptedChatModel(replies=[AIMessage("hm", usage_metadata=used, response_metadata={"model_name": "m"})]).invoke("?")
    if context.attempt == 1:
        raise ConnectionError
    return 1
