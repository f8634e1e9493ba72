"""Copies to and from stores: a real S3 conversation with a small server, and plain folders."""

import errno
import http.server
import os
import re
import threading
import urllib.parse
from email.utils import formatdate

import pytest

from modelheir.checks import InputError
from modelheir.cli import main
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.places import copy


@pytest.fixture
def run(tmp_path):
    """A finished run folder, with a lock and a half-written file that must stay behind."""
    folder = RunFolder(tmp_path / "v1")
    folder.path.mkdir()
    folder.model.write_text('{"name": "mlp"}')
    folder.weights.write_bytes(bytes(range(256)) * 40)
    folder.set_status("finished")
    (folder.path / "predictions").mkdir()
    (folder.path / "predictions" / "test.parquet").write_bytes(b"rows")
    (folder.path / ".lock").touch()
    (folder.path / "predictions" / ".test.parquet.1.part").write_bytes(b"half")
    return folder.path


class Store(http.server.BaseHTTPRequestHandler):
    """As much of S3 as a copy needs: objects in one bucket, in memory, whole or in parts."""

    objects: dict[str, bytes]
    order: list[str]
    parts: dict[str, bytes]
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        usual = {"Content_Length": str(len(body)), "Last_Modified": formatdate(usegmt=True), "ETag": '"0"'}
        for name, value in {**usual, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def asked(self):
        url = urllib.parse.urlsplit(self.path)
        query = {key: value[0] for key, value in urllib.parse.parse_qs(url.query, keep_blank_values=True).items()}
        return urllib.parse.unquote(url.path).removeprefix("/bucket").lstrip("/"), query

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        else:
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return data
        plain = b""
        while True:
            line, _, data = data.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if not size:
                return plain
            plain, data = plain + data[:size], data[size + 2 :]

    def do_HEAD(self):
        key, _ = self.asked()
        if not key:
            return self.answer(200)
        found = self.objects.get(key)
        return self.answer(404) if found is None else self.answer(200, Content_Length=str(len(found)))

    def do_GET(self):
        key, query = self.asked()
        if key:
            if key not in self.objects:
                return self.answer(404)
            data = self.objects[key]
            span = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if not span:
                return self.answer(200, data)
            first, last = int(span[1]), min(int(span[2]), len(data) - 1)
            return self.answer(206, data[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(data)}")
        inside = sorted(name for name in self.objects if name.startswith(query.get("prefix", "")))
        rows = "".join(
            f"<Contents><Key>{name}</Key><Size>{len(self.objects[name])}</Size>"
            "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
            for name in inside
        )
        head = f"<Name>bucket</Name><KeyCount>{len(inside)}</KeyCount><IsTruncated>false</IsTruncated>"
        return self.answer(200, f"<ListBucketResult>{head}{rows}</ListBucketResult>".encode())

    def do_PUT(self):
        key, query = self.asked()
        data = self.body()
        if "partNumber" in query:
            self.parts[key] = self.parts.get(key, b"") + data
        elif key:
            self.objects[key] = data
            self.order.append(key)
        self.answer(200)

    def do_POST(self):
        key, query = self.asked()
        self.body()
        if "uploads" in query:
            text = (
                f"<InitiateMultipartUploadResult><Key>{key}</Key><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            )
            return self.answer(200, text.encode())
        self.objects[key] = self.parts.pop(key, b"")
        self.order.append(key)
        return self.answer(200, b"<CompleteMultipartUploadResult><ETag>0</ETag></CompleteMultipartUploadResult>")


@pytest.fixture
def bucket(monkeypatch):
    """Return a function from a key to its address in a small S3 server, and the server's objects."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    kind = type("Bucket", (Store,), {"objects": {}, "order": [], "parts": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"scheme=http&region=us-east-1&endpoint_override=127.0.0.1%3A{server.server_port}"
    yield (lambda key: f"s3://name:secret@bucket/{key}?{where}"), kind
    server.shutdown()
    server.server_close()


def test_a_run_goes_to_s3_and_comes_back_as_an_old_model(run, bucket, tmp_path, capsys):
    folder = run
    address, store = bucket
    assert main(["copy", f"run:{folder}", address("team/v1")]) == 0
    assert capsys.readouterr().out.startswith("4 files, ")
    files = {name for name in store.objects if not name.endswith("/")}
    names = {"model.json", "weights.safetensors", "status.json", "predictions/test.parquet"}
    assert files == {f"team/v1/{name}" for name in names}
    assert [name for name in store.order if not name.endswith("/")][-1] == "team/v1/status.json"
    assert main(["copy", address("team/v1"), str(tmp_path / "elsewhere" / "old")]) == 0
    assert content(tmp_path / "elsewhere" / "old") == {name: content(folder)[name] for name in names}
    assert (tmp_path / "elsewhere" / "old" / "predictions" / "test.parquet").read_bytes() == b"rows"
    assert main(["copy", address("team/v1/predictions/test.parquet"), str(tmp_path / "one.parquet")]) == 0
    assert (tmp_path / "one.parquet").read_bytes() == b"rows"
    with pytest.raises(InputError, match="holds files already") as error:
        copy(str(folder), address("team/v1"))
    assert "secret" not in str(error.value)


@pytest.mark.extras
def test_a_folder_that_was_moved_is_the_same_model(run, tmp_path):
    import torch

    from modelheir.models import build, load, state_hash
    from modelheir.runs import save_weights

    folder, model = run, build("mlp", classes=("a", "b", "c"), image_size=8, seed=3)
    write_json(RunFolder(folder).model, model.spec)
    save_weights(RunFolder(folder).weights, model.state_dict())
    assert copy(str(folder), f"file://{tmp_path}/moved")[0] == 4
    folder.rename(tmp_path / "renamed")
    images = torch.rand(2, 3, 8, 8)
    a, b = (load(f"run:{tmp_path / name}").eval() for name in ("moved", "renamed"))
    assert state_hash(a) == state_hash(b) == state_hash(model)
    assert torch.equal(a(images).logits, b(images).logits)


def test_what_is_there_is_not_overwritten_unasked(run, tmp_path):
    folder = run
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "model.json").write_text("mine")
    with pytest.raises(InputError, match="taken holds files already"):
        copy(str(folder), str(tmp_path / "taken"))
    assert (tmp_path / "taken" / "model.json").read_text() == "mine"
    copy(str(folder), str(tmp_path / "taken"), overwrite=True)
    assert (tmp_path / "taken" / "model.json").read_bytes() == (folder / "model.json").read_bytes()


def test_mistakes_are_one_sentence(run, tmp_path):
    with pytest.raises(InputError, match="holds no file to copy"):
        copy(str(tmp_path / "gone"), str(tmp_path / "x"))
    with pytest.raises(InputError, match="cannot copy nosuch://a/b"):
        copy("nosuch://a/b", str(tmp_path / "x"))


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("way", ["v1", "link", "file://{}/link", "up/v1", "v1/../v1"])
def test_a_copy_onto_itself_is_refused_whatever_leads_there(way, run, tmp_path):
    (tmp_path / "link").symlink_to("v1")
    (tmp_path / "up").symlink_to(".")
    before, way = content(tmp_path / "v1"), way.format(tmp_path)
    place = way if "://" in way else str(tmp_path / way)
    for one, other in ((place, str(tmp_path / "v1")), (str(tmp_path / "v1"), place)):
        with pytest.raises(InputError, match="are the same place: choose another target"):
            copy(one, other, overwrite=True)
    assert content(tmp_path / "v1") == before
    with pytest.raises(InputError, match="are the same place"):
        copy(f"{tmp_path}/v1/model.json", f"{tmp_path}/link/model.json", overwrite=True)
    assert content(tmp_path / "v1") == before


def test_a_copy_into_itself_or_over_its_parent_is_refused(run, tmp_path):
    before = content(tmp_path)
    with pytest.raises(InputError, match=r"lies inside .*v1: choose a target outside"):
        copy(str(run), str(run / "export" / "again"), overwrite=True)
    with pytest.raises(InputError, match="v1 lies inside"):
        copy(str(run), str(tmp_path), overwrite=True)
    assert content(tmp_path) == before


def test_links_out_of_the_folder_are_named_and_not_followed(run, tmp_path, capsys):
    folder = run
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("private")
    links = {"up": "..", "loop": ".", "key": "../secret/key", "gone": "nothing", "same": "predictions"}
    for name, leads in links.items():
        (folder / name).symlink_to(leads)
    (folder / "latest.parquet").symlink_to("predictions/test.parquet")
    assert main(["copy", str(folder), str(tmp_path / "copy")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("5 files, ")
    named = re.findall(r"Left out, .*: (\S+) -> (\S+)", said)
    assert dict(named) == links
    assert set(content(tmp_path / "copy")) == {
        *("model.json", "weights.safetensors", "status.json", "predictions/test.parquet", "latest.parquet")
    }
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_symlink()]
    assert (tmp_path / "copy" / "latest.parquet").read_bytes() == b"rows"


def test_what_a_link_in_the_target_leads_to_is_not_written(run, tmp_path):
    folder, target = run, tmp_path / "copy"
    before = content(folder)
    target.mkdir()
    (target / "model.json").symlink_to(folder / "weights.safetensors")
    copy(str(folder), str(target), overwrite=True)
    assert content(folder) == before
    assert (target / "model.json").read_bytes() == before["model.json"]
    (target / "predictions" / "test.parquet").unlink()
    (target / "predictions").rmdir()
    (target / "predictions").symlink_to(folder / "predictions")
    with pytest.raises(InputError, match=r"copy/predictions leads out of .*: remove that link"):
        copy(str(folder), str(target), overwrite=True)
    assert content(folder) == before


def test_a_full_disk_leaves_no_half_copy(run, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*: No space left on device"):
        copy(str(run), str(tmp_path / "copy"))
    assert content(tmp_path / "copy") == {}
