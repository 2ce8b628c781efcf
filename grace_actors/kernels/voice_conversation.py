"""Answers questions about the system in plain language from live data, and speaks where a synthesiser is installed.

`intents.py` finds what is asked, the kernels that know are asked in turn, `phrases.py` puts it into words. There is no
language model in it, and it must not act on what it is asked. Invariant: every answer names its sources and which
of them were silent; a text that is spoken is the text that was given.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace_actors.errors import WorldFailed
from grace_actors.kernel import LATER, Answer, Check, Completed, Data, Kernel, Request
from grace_actors.kernels import phrases
from grace_actors.kernels.arguments import text, whole_or
from grace_actors.kernels.dependencies import dependencies, tree_file
from grace_actors.kernels.intents import EXAMPLES, MAX_QUESTION_CHARS, Intent, Understood, understand
from grace_actors.kernels.tree_nodes import TreeNode, tree_nodes

ENGINES = ("espeak-ng", "espeak")
ANSWER_S = 3.0
SPEAK_S = 30.0
MAX_SPOKEN_CHARS = 2000
KEPT_FILES = 20
WAV_HEADER_BYTES = 44

Ask = tuple[str, str, Data]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question understood, with the tree as it was when it was asked."""

    words: str
    understood: Understood
    nodes: tuple[TreeNode, ...]

    @property
    def subject(self) -> str:
        return self.understood.subject

    @property
    def node(self) -> TreeNode | None:
        return next((node for node in self.nodes if node.name == self.subject), None)


class VoiceConversation(Kernel):
    """Verbs: ask, say, help."""

    emits = ("question.answered",)

    def setup(self) -> None:
        self.engine = next((path for name in ENGINES if (path := shutil.which(name))), None)
        self.names: tuple[str, ...] = ()
        self.spoken = self.ctx.data / "spoken"
        self.counts = {"answered": 0, "not_understood": 0, "spoken": 0}
        # Speech is an extra: without it nothing is broken, so it is told and not counted as degraded.
        how = "" if self.engine else f", text only: install {ENGINES[0]} to hear answers"
        self.did = f"can answer {len(EXAMPLES)} kinds of question{how}"

    def ready(self) -> list[Check]:
        wrong = [
            example for intent, example in EXAMPLES.items() if understand(example, ("librarian",)).intent is not intent
        ]
        return [
            Check(
                name="understands_its_examples", ok=not wrong, detail=", ".join(wrong) or f"{len(EXAMPLES)} examples"
            ),
            Check(name="speech", ok=True, detail=self.engine or "text only"),
        ]

    # ---- answering ------------------------------------------------------------------------------------

    def do_ask(self, request: Request) -> Any:
        """Answer `question` from live data: `text`, the `intent`, the `subject` and the `sources`."""
        words = text(request, "question", max_chars=MAX_QUESTION_CHARS)

        def on_tree(answer: Answer) -> None:
            nodes = tuple(tree_nodes(answer.value)) if answer.ok else ()
            self.names = tuple(node.name for node in nodes) or self.names
            question = Question(words=words, understood=understand(words, self.names), nodes=nodes)
            self._gather(_asks(question), lambda sources: self._tell(request, question, sources))

        self.ctx.ask("status", "status", {}, on_tree, timeout_s=ANSWER_S)
        return LATER

    def _gather(self, asks: Sequence[Ask], then: Callable[[Data], None]) -> None:
        """Ask all at once; call with every value, None for the silent."""
        sources: Data = {}

        def take(name: str, answer: Answer) -> None:
            sources[name] = answer.value if answer.ok else None
            if len(sources) == len(asks):
                then(sources)

        if not asks:
            then(sources)
        for name, verb, args in asks:
            self.ctx.ask(name, verb, args, lambda answer, name=name: take(name, answer), timeout_s=ANSWER_S)  # type: ignore[misc]

    def _tell(self, request: Request, question: Question, sources: Data) -> None:
        said = self._say(question, sources)
        seen = {"status": bool(question.nodes)} | {name: value is not None for name, value in sources.items()}
        intent = question.understood.intent
        self.counts["not_understood" if intent is Intent.UNKNOWN else "answered"] += 1
        self.did = f"answered {question.words!r:.60} ({intent.value})"
        self.ctx.emit("question.answered", intent.value, {"question": question.words, "subject": question.subject})
        answer = {
            "text": said,
            "question": question.words,
            "intent": intent.value,
            "subject": question.subject,
            "sources": sorted(name for name, answered in seen.items() if answered),
            "silent": sorted(name for name, answered in seen.items() if not answered),
            "at": self.ctx.wall(),
        }
        self.ctx.answer(request, answer)

    def _say(self, question: Question, sources: Data) -> str:
        nodes, node, subject = question.nodes, question.node, question.subject
        match question.understood.intent:
            case Intent.DOWN:
                return phrases.down(nodes)
            case Intent.WHY_ENDED:
                return phrases.why_ended(node, subject, sources)
            case Intent.RESTARTS:
                return phrases.restarts(nodes, node)
            case Intent.DEPENDENTS:
                return phrases.dependents(subject, self._needs(nodes))
            case Intent.DID:
                return phrases.did(node, subject)
            case Intent.NEXT:
                return phrases.next_step(sources)
            case Intent.NEEDS_ME:
                return phrases.needs_me(sources)
            case Intent.RISK:
                return phrases.risk(subject, sources)
            case Intent.HOST:
                return phrases.host(sources)
            case Intent.WORK:
                return phrases.work(sources)
            case Intent.LOG:
                return phrases.log(sources)
            case Intent.HELP:
                return phrases.help_text()
            case Intent.UNKNOWN:
                return phrases.unknown(question.words)

    def _needs(self, nodes: Sequence[TreeNode]) -> dict[str, tuple[str, ...]] | None:
        """What the living tree says, else its file."""
        told = {node.name: node.depends_on for node in nodes}
        return told if any(told.values()) else dependencies(tree_file(self.ctx.home))

    def do_help(self, request: Request) -> Any:
        """What can be asked, one example for each kind of question."""
        return {"text": phrases.help_text(), "examples": {i.value: words for i, words in EXAMPLES.items()}}

    def metrics(self) -> dict[str, float]:
        return {f"questions_{name}_total": float(count) for name, count in self.counts.items()}

    # ---- speaking -------------------------------------------------------------------------------------

    def do_say(self, request: Request) -> Any:
        """Speak `text` into a WAV file (`words_per_minute` 80 to 450) and answer its path."""
        words = text(request, "text", max_chars=MAX_SPOKEN_CHARS)
        speed = whole_or(request, "words_per_minute", 165, low=80, high=450)
        if self.engine is None:
            raise WorldFailed("say: no speech synthesiser is installed, text only", hint=f"install {ENGINES[0]}")
        self.spoken.mkdir(exist_ok=True)
        path = self.spoken / f"say_{self.ctx.wall():.3f}_{request.id}.wav"
        argv = [self.engine, "-s", str(speed), "-w", str(path), "--stdin"]
        self.ctx.run(argv, lambda done: self._spoke(request, path, done), input=words.encode(), timeout_s=SPEAK_S)
        return LATER

    def _spoke(self, request: Request, path: Path, done: Completed) -> None:
        if done.returncode != 0 or not _is_wav(path):
            why = done.error or done.stderr.decode("utf-8", "replace").strip()[-200:] or f"exit {done.returncode}"
            error = WorldFailed(f"say: {self.engine} gave no sound: {why}", hint="try it in a terminal")
            self.ctx.answer(request, error=error)
            return
        for old in sorted(self.spoken.glob("say_*.wav"), key=lambda file: file.stat().st_mtime)[:-KEPT_FILES]:
            old.unlink(missing_ok=True)
        self.counts["spoken"] += 1
        self.did = f"spoke into {path.name}"
        self.ctx.answer(request, {"path": str(path), "bytes": path.stat().st_size, "engine": str(self.engine)})


def _asks(question: Question) -> list[Ask]:
    """Whom to ask besides the status actor."""
    match question.understood.intent:
        case Intent.WHY_ENDED if question.subject:
            return [("self_healing", "incidents", {"kernel": question.subject, "limit": 1})]
        case Intent.NEXT:
            return [("agentic_spine", "next", {})]
        case Intent.NEEDS_ME:
            return [("governance", "approvals", {"state": "pending"}), ("agentic_spine", "next", {})]
        case Intent.RISK:
            return [("learning_integration", "top", {"limit": 500})]
        case Intent.HOST:
            return [("infrastructure_manager", "sample", {})]
        case Intent.WORK:
            return [("coding_agent", "stats", {})]
        case Intent.LOG:
            return [("immutable_log", "stats", {})]
        case _:
            return []


def _is_wav(path: Path) -> bool:
    """A RIFF file with more than its header."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"RIFF" and path.stat().st_size > WAV_HEADER_BYTES
    except OSError:
        return False
