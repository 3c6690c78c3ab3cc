"""Where a device's user finds the model."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from stage import Stage

from dapp.device.service import ModelFile, Witness
from dapp.protocol.enums import RoundKind
from dapp.runtime.service import Service
from dapp.settings import RoleSettings


def test_the_file_follows_models_and_not_gradients(tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "run", "strategy=blockdeepnet").play()
    world, node = stage.world, stage.node("device", 0)
    said: list[str] = []
    service = Service(
        settings=RoleSettings(),
        client=world.client,
        contracts=world.contracts,
        account=node.account,
        store=world.store,
        folder=tmp_path,
        said=lambda _, what: said.append(what),
        stop=threading.Event(),
    )
    path, last = tmp_path / "model.safetensors", node.state
    file = ModelFile(path, Witness(service))
    assert [round_.kind for round_ in stage.rounds] == [RoundKind.GRADIENT, RoundKind.UPDATE]

    node.state = replace(last, taken_up=-1)
    assert file.is_up_to_date(node), "nothing was taken up yet"
    node.state = replace(last, taken_up=0, model=stage.rounds[0].base, gradient=stage.rounds[0].result)
    file.follow(node)
    assert file.is_up_to_date(node)
    assert not path.exists()

    node.state = last
    assert not file.is_up_to_date(node)
    file.follow(node)
    assert file.is_up_to_date(node)
    assert path.read_bytes() == world.store.get(last.model.digest, last.model.size, cap=last.model.size)
