"""Files as applications read them, and on real servers: Java's Properties, and shells that source assignments."""

import base64
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.worlds.live_mirror import live_world
from zkoperator.api.sync_format import FormatType
from zkoperator.mirror.model.file_format import FileFormat

FILES = 60
KEYS = ("colour", "db__pool_size", "x", "A_1", "yes", "note_", "_", "__root")
TRICKY = (
    *("", " ", "yes", "no", "~", "null", "007", "1e3", "a\nb", "a\n", "\n", "\r\n", "a\r\nb\r\n", "\t", "  a  "),
    *("=", ":", "# c", "!", "\\", "\\n", "\\u0041", "\\\n", "'", '"', "$HOME", "${x}", "`id`", "$(id)", "a'b\"c", "''"),
    *("*", "~", "a b", ";", "&", "|", "é", "\u2603", "\U0001f600", "a\\", "'\\''", "-n", "x" * 5000),
)
JAVA = """
import java.io.*; import java.nio.charset.StandardCharsets; import java.nio.file.*; import java.util.*;
public class Read {
    static String text(String value) {
        return Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8));
    }
    public static void main(String[] files) throws IOException {
        for (String file : files) {
            Properties bytes = new Properties(), characters = new Properties();
            try (InputStream in = Files.newInputStream(Path.of(file))) { bytes.load(in); }
            try (Reader in = Files.newBufferedReader(Path.of(file))) { characters.load(in); }
            if (!bytes.equals(characters)) throw new IOException(file + " depends on the encoding");
            for (String key : bytes.stringPropertyNames())
                System.out.println(file + " " + text(key) + " " + text(bytes.getProperty(key)));
        }
    }
}
"""


def contents() -> list[dict[str, str]]:
    """Values that are known to go wrong, each in many company, and texts that nobody has thought of."""
    rng = random.Random(14)
    alphabet = "ab \\'\"$`#=:!\n\r\t{}é\U0001f600"
    made = [{"colour": value} for value in TRICKY]
    for _ in range(FILES):
        texts = [rng.choice(TRICKY), "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))]
        made.append({key: rng.choice(texts) for key in rng.sample(KEYS, rng.randrange(1, len(KEYS)))})
    return made


def written(directory: Path, kind: FormatType) -> dict[str, dict[str, str]]:
    """File -> what the operator has written into it."""
    form = FileFormat(kind, "file", "__")
    found = {}
    for number, values in enumerate(contents()):
        whole = {key: value.encode() for key, value in values.items()}
        assert not [why for key, value in whole.items() if (why := form.problem_of(key, value))]
        path = directory / f"{number}.txt"
        path.write_bytes(form.render(whole).encode())
        found[str(path)] = values
    return found


def test_java_reads_properties_as_they_were_whatever_it_takes_for_the_encoding(tmp_path: Path) -> None:
    files = written(tmp_path, FormatType.PROPERTIES)
    source = tmp_path / "Read.java"
    source.write_text(JAVA)
    ran = subprocess.run(["java", str(source), *files], capture_output=True, text=True, check=True, timeout=120)
    read: dict[str, dict[str, str]] = {file: {} for file in files}
    for line in ran.stdout.splitlines():
        file, key, value = line.split(" ")
        read[file][base64.b64decode(key).decode()] = base64.b64decode(value).decode()
    assert read == files


def test_properties_that_java_has_written_are_read(tmp_path: Path) -> None:
    source, files = tmp_path / "Write.java", [{**values} for values in contents()]
    source.write_text(
        "import java.io.*; import java.nio.charset.StandardCharsets; import java.nio.file.*; import java.util.*;\n"
        "public class Write { public static void main(String[] names) throws IOException {\n"
        "  for (String name : names) { Properties all = new Properties();\n"
        "    for (String line : Files.readAllLines(Path.of(name))) { String[] pair = line.split(\" \", -1);\n"
        "      all.setProperty(text(pair[0]), text(pair[1])); }\n"
        "    try (OutputStream out = Files.newOutputStream(Path.of(name + \".p\"))) { all.store(out, \"note\"); }\n"
        "    try (Writer out = Files.newBufferedWriter(Path.of(name + \".q\"))) { all.store(out, null); } } }\n"
        "  static String text(String coded) {\n"
        "    return new String(Base64.getDecoder().decode(coded), StandardCharsets.UTF_8); } }\n"
    )  # fmt: skip
    for number, values in enumerate(files):
        coded = [[base64.b64encode(part.encode()).decode() for part in pair] for pair in values.items()]
        (tmp_path / str(number)).write_text("".join(f"{key} {value}\n" for key, value in coded))
    names = [str(tmp_path / str(number)) for number in range(len(files))]
    subprocess.run(["java", str(source), *names], check=True, timeout=120)
    form = FileFormat(FormatType.PROPERTIES, "file", "__")
    for name, values in zip(names, files, strict=True):
        for suffix in (".p", ".q"):
            assert form.parse(Path(name + suffix).read_bytes().decode()) == values


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_sources_assignments_as_they_were(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    assert program is not None
    for file, values in written(tmp_path, FormatType.DOTENV).items():
        ran = subprocess.run(
            [program, "-c", 'set -a; . "$0"; exec /usr/bin/env -0', file], env={}, capture_output=True, check=True
        )
        entries = (entry.partition(b"=") for entry in ran.stdout.split(b"\0") if entry)
        read = {name.decode(): value.decode() for name, _, value in entries}
        # A shell keeps `_` for itself.
        assert {key: read.get(key) for key in values if key != "_"} == {k: v for k, v in values.items() if k != "_"}


@pytest.mark.parametrize("kind", [kind for kind in FormatType if kind is not FormatType.KEYS])
async def test_files_follow_and_are_followed_on_real_servers(
    kind: FormatType, api_server: ApiServer, zookeeper: Ensemble, namespace: str
) -> None:
    form = FileFormat(kind, "settings", "__")
    async with live_world(api_server.kubeconfig, zookeeper.hosts, namespace) as world:
        world.tree(colour="blue", db__url="a b")
        await world.config_map({"other": "x"})
        await world.sync(format={"type": kind.value, "key": "settings"})
        await world.start()
        whole = {"colour": b"blue", "db__url": b"a b"}
        await world.until_data({"other": b"x", "settings": form.render(whole).encode()})
        written = form.render({"colour": b"red\n", "new": b""})
        await world.edit(settings=f"{written}\n" if kind is FormatType.JSON else f"# by hand\n{written}", other="y")
        await world.until(lambda: (world.at("colour"), world.at("new"), world.at("db/url")) == (b"red\n", b"", None))
        world.node("late", "1")
        await world.until_data({"other": b"y", "settings": form.render(form_of(form, written, late="1")).encode()})
        await world.edit(settings="a=\\uz" if kind is FormatType.PROPERTIES else "{")
        assert "file at line " in await world.until_ready("TargetInvalid")


def form_of(form: FileFormat, text: str, **more: str) -> dict[str, bytes]:
    return {key: value.encode() for key, value in {**form.parse(text), **more}.items()}
