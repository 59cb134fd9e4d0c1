"""What the routes answer."""

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of all answers: frozen, made by the server only."""

    model_config = ConfigDict(frozen=True)


class Health(Answer):
    """``ok``; what is wrong is told as a problem."""

    status: str
