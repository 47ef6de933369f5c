"""Dask: as an executor for downloads, and for lazy stacks of images."""

import numpy as np
import pytest
from dask.distributed import Client as DaskClient
from dask.distributed import LocalCluster

import jsoclite
from jsoclite.errors import JsocError
from jsoclite.sandbox import Sandbox

SET = "hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    with Sandbox() as sandbox, sandbox.client() as client:
        yield client.download(SET, tmp_path_factory.mktemp("data"))


def test_a_local_cluster_downloads(tmp_path, files):
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        DaskClient(cluster) as workers,
        Sandbox() as sandbox,
        sandbox.client() as client,
    ):
        done = client.download(SET, tmp_path, executor=workers.get_executor())
        assert (done.status == "downloaded").all()
        assert done.bytes.tolist() == files.bytes.tolist()
        assert client.download(SET, tmp_path).status.tolist() == ["present"] * 5


def test_a_stack_is_lazy_and_in_order(files):
    images, rows = jsoclite.stack(files.iloc[::-1])
    assert images.shape[0] == 5
    assert images.chunks[0] == (1,) * 5
    assert list(rows.index) == list(files.index[::-1])
    np.testing.assert_array_equal(images[0].compute(scheduler="synchronous"), jsoclite.read(files.path.iloc[-1])[0])


def test_what_cannot_be_stacked(files):
    with pytest.raises(JsocError, match="nothing to stack"):
        jsoclite.stack(files.iloc[:0])
