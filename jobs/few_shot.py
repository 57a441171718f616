"""Examples of a task that its prompt shows to the model, as a user may give them."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

LabelT = TypeVar("LabelT")


class Shown(BaseModel, Generic[LabelT]):
    """A text and the label that is right for it; on the command line LABEL=TEXT."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    label: LabelT

    @model_validator(mode="before")
    @classmethod
    def _from_flag(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        label, equals, text = value.partition("=")
        if not equals:
            raise ValueError(f"{value!r} is not LABEL=TEXT")
        return {"label": label.strip(), "text": text}
