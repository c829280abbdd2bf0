"""C sources as words; of `mutants` and `ranges`."""
import re

_TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|^[ \t]*\#(?:\\\n|[^\n])*
    |[A-Za-z_]\w*|\d[\w.]*|<<=|>>=|->|\+\+|--|<<|>>|[-+*/%&|^<>=!]=|&&|\|\||\S""", re.S | re.M | re.X)


def is_comment(word):
    return word[:2] in ("//", "/*")


def tokens(text):
    """Matches in order; a comment and a line of the preprocessor are one each."""
    return _TOKEN.finditer(text)


def bodies(text):
    """The words of each function, from its name's parenthesis on: at depth 0 a function's brace follows
    one that closes."""
    depth, inside, head = 0, False, []
    for token in tokens(text):
        word = token[0]
        if is_comment(word) or word.lstrip().startswith("#"):
            continue
        if depth == 0 and word in ";=}":
            head = []
            continue
        head.append(token)
        if word == "{":
            inside = inside if depth else len(head) > 1 and head[-2][0] == ")"
            depth += 1
        elif word == "}":
            depth -= 1
            if depth == 0:
                if inside:
                    yield head
                head = []
