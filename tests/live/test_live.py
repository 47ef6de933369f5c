"""The questions of ``jsoclite check``, a test each, put to the server of ``--server``."""

import pytest

import jsoclite
from jsoclite.check import QUESTIONS, Desk, put


@pytest.fixture(scope="session")
def desk(request):
    with jsoclite.Client(request.config.getoption("--server"), cache=False) as client:
        yield Desk(client.transport)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.about)
def test_the_answer_is_as_expected(desk, question):
    answer = put(question, desk)
    if answer.stop:
        pytest.exit(f"{answer.question.about}: {answer.seen}; the rest is not asked", returncode=1)
    assert answer.verdict == "as expected", str(answer)
