"""Which language a text is in, and what languages are called. Offline and deterministic.

Two questions, two detectors. `detect` chooses among all of lingua's 75 languages and needs little memory for it.
`is_language` asks for one language against the few that a model falls back into, with lingua's full models: on short
texts they are the difference between a useful answer and none, and for so few languages they are affordable.

Source: measured with lingua-language-detector 2.1.1 (resident memory, first use, one short text, 1000 characters):
all languages, low accuracy 69 MB, 0.4 s, 0.08 ms, 0.7 ms; all, high accuracy 1046 MB, 9.3 s, 0.3 ms, 0.7 ms;
32 languages, high accuracy 596 MB, 4.7 s; preloading adds 20 % memory and no speed. As built, `detect` takes 69 MB and
`is_language` 190 MB and 1 s for the Latin alphabet; each further language or alphabet asked for adds 20 to 40 MB.
"""

from pipeline.text.languages.detection import Detected, detect
from pipeline.text.languages.membership import is_language
from pipeline.text.languages.names import language_name, normal_code, variety_code

__all__ = ["Detected", "detect", "is_language", "language_name", "normal_code", "variety_code"]
