"""The files that are shipped for clouds, Kubernetes and MLflow: against the schemas there are, and against each other.

None of these tests starts a container or a machine; docs/cluster.md says what has been run.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ray.autoscaler._private.util import prepare_config, validate_config

from sweeps.deploy import DEPLOYMENTS, file_text
from tests.sweeps.deploy_files import compose, documents, pod_templates, ray_clusters, ray_up, resource

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "sweeps" / "deploy"
SHIPPED = sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".py")
YAML = [name for name in SHIPPED if name.endswith(".yaml")]


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def images() -> set[str]:
    of_pods = {c["image"] for t in pod_templates() for c in t["spec"]["containers"]}
    return of_pods | {s["image"] for s in compose()["services"].values()} | {ray_up()["docker"]["image"]}


def test_every_file_belongs_to_one_deployment() -> None:
    named = [file for deployment in DEPLOYMENTS.values() for file in deployment.files]
    assert sorted(named) == SHIPPED


def test_the_page_says_of_every_file_whether_it_has_been_run() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    table = page.partition("## What has been run, and what has not")[2].partition("## ")[0]
    rows = [row.split("|") for row in table.splitlines() if row.startswith("| `")]
    said = {name: row[2].strip() for row in rows for name in row[1].split("`")[1::2]}
    assert said.keys() == set(SHIPPED) - {"Dockerfile.dockerignore"}
    for name, is_run in said.items():
        top = file_text(name).partition("\n\n")[0]
        words = "Run with MLflow 3.17" if is_run == "**run**" else "Checked, and not run as it stands:"
        assert f"# {words}" in top, name
        assert "docs/cluster.md says what was done with it." in top, name


@pytest.mark.parametrize("name", YAML)
def test_every_yaml_file_parses_and_says_at_its_top_how_to_use_it(name: str) -> None:
    assert all(isinstance(document, dict) for document in documents(name))
    assert file_text(name).startswith("# ")


# ray up


def test_the_ray_up_file_passes_rays_own_schema_and_checks() -> None:
    config = prepare_config(ray_up())
    validate_config(config)
    assert config["head_node_type"] == "head"


def test_rays_schema_notices_a_misspelt_key() -> None:
    with pytest.raises(Exception, match="idle_timeout"):
        validate_config(prepare_config({**ray_up(), "idle_timeout": 5}))


def test_the_cluster_on_a_cloud_shrinks_to_its_head_and_cannot_outlive_three_days() -> None:
    config = ray_up()
    workers = {name: t for name, t in config["available_node_types"].items() if name != "head"}
    assert config["idle_timeout_minutes"] <= 15
    assert [t["min_workers"] for t in workers.values()] == [0] * len(workers)
    assert sum(t["max_workers"] for t in workers.values()) <= config["max_workers"]
    assert any(re.search(r"shutdown --poweroff \+4320$", command) for command in config["initialization_commands"])
    for node_type in config["available_node_types"].values():
        assert node_type["node_config"]["InstanceInitiatedShutdownBehavior"] == "terminate"


def test_spot_workers_are_the_same_machine_as_the_others() -> None:
    types = ray_up()["available_node_types"]
    assert types["gpu_spot"]["node_config"].pop("InstanceMarketOptions") == {"MarketType": "spot"}
    assert types["gpu_spot"]["node_config"] == types["gpu"]["node_config"]


def test_no_machine_on_a_cloud_gets_the_security_group_that_ray_opens_to_the_internet() -> None:
    for node_type in ray_up()["available_node_types"].values():
        assert node_type["node_config"]["SecurityGroupIds"]


def test_the_head_on_a_cloud_asks_for_a_token_and_proves_it_before_it_stays() -> None:
    config = ray_up()
    start, proof = config["head_start_ray_commands"][-2:]
    assert "--dashboard-host=127.0.0.1" in start
    assert "= 401 ||" in proof
    assert proof.endswith("exit 1; }")
    assert "--env=RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    assert "/home/ray/.ray" in config["file_mounts"]  # where Ray looks for the token


# MLflow


def test_the_compose_file_publishes_mlflow_on_the_loopback_interface_and_postgres_not_at_all() -> None:
    services = compose()["services"]
    assert services["mlflow"]["ports"] == ["${MLFLOW_BIND:-127.0.0.1}:5000:5000"]
    assert "ports" not in services["postgres"]
    assert services["postgres"]["networks"] == ["database"]
    assert compose()["networks"]["database"] == {"internal": True}


def test_the_compose_file_is_complete() -> None:
    config = compose()
    assert set(config) == {"name", "services", "networks", "volumes"}
    for name, service in config["services"].items():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"
        assert set(service["networks"]) <= set(config["networks"])
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(config["volumes"])
        assert set(service.get("depends_on", {})) <= set(config["services"]) - {name}
    assert config["services"]["mlflow"]["build"]["dockerfile"] in SHIPPED


def test_mlflow_lets_nobody_in_without_a_password_wherever_it_listens_beyond_loopback() -> None:
    listening = [name for name in SHIPPED if "0.0.0.0" in without_comments(file_text(name))]
    assert listening == ["mlflow.Dockerfile"]
    text = file_text("mlflow.Dockerfile")
    assert '"--app-name", "basic-auth"' in text
    assert "MLFLOW_SERVER_ALLOWED_HOSTS=localhost:*,127.0.0.1:*,mlflow:*" in text


def test_mlflow_is_allowed_under_every_name_by_which_it_is_called() -> None:
    allowed = {"compose": compose()["services"]["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"]}
    (container,) = resource("Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    allowed["kubernetes"] = {v["name"]: v.get("value", "") for v in container["env"]}["MLFLOW_SERVER_ALLOWED_HOSTS"]
    for text in allowed.values():
        assert {"localhost:*", "127.0.0.1:*", "mlflow:*"} <= set(re.findall(r"[\w.]+:\*", text))
        assert "*:*" not in text
    for cluster in ray_clusters():
        (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
        assert {"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow:5000"} in head["env"]


def test_mlflow_keeps_users_where_it_keeps_runs_and_takes_the_password_from_outside() -> None:
    assert "MLFLOW_BACKEND_STORE_URI=postgresql:///mlflow" in file_text("mlflow.Dockerfile")
    assert "database_uri = postgresql:///mlflow" in file_text("mlflow-auth.ini")


# Versions and secrets


def test_versions_are_those_that_the_tests_run_with() -> None:
    versions = pinned()
    assert f"mlflow[auth]=={versions['mlflow']}" in file_text("mlflow.Dockerfile")
    assert {cluster["rayVersion"] for cluster in ray_clusters()} == {versions["ray"]}
    assert '-c /opt/fairsweep/constraints.txt "/opt/fairsweep[cluster]"' in file_text("Dockerfile")
    assert "cluster" in project()["optional-dependencies"]
    tagged = {image.rpartition("/")[2] for image in images()}
    version = project()["version"]
    assert tagged == {f"fairsweep:{version}", f"fairsweep-mlflow:{version}", "postgres:15"}


def test_the_image_has_a_python_that_fairsweep_runs_on() -> None:
    (default,) = re.findall(r"^ARG PYTHON=3\.(\d+)$", file_text("Dockerfile"), re.MULTILINE)
    (least,) = re.findall(r"^>=3\.(\d+)$", project()["requires-python"])
    assert int(default) >= int(least)


@pytest.mark.parametrize("name", ["Dockerfile", "mlflow.Dockerfile"])
def test_images_pin_what_they_install_and_run_as_an_ordinary_user(name: str) -> None:
    text = file_text(name)
    assert re.findall(r"^USER (\d+)$", text, re.MULTILINE) == ["1000"]
    assert text.index("USER 1000") > text.rindex("RUN ")
    assert re.findall(r"^(?:ADD|EXPOSE 22)\b", text, re.MULTILINE) == []
    installed = re.findall(r'"([^"]+)"', " ".join(re.findall(r"pip install[^&]*", text)))
    assert installed
    assert [package for package in installed if "==" not in package and package != "/opt/fairsweep[cluster]"] == []


def test_the_image_gets_only_what_installing_needs() -> None:
    patterns = [line for line in file_text("Dockerfile.dockerignore").splitlines() if line and line[0] != "#"]
    assert patterns[0] == "*"
    sent = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    assert sent == {"analysis", "models", "schedules", "sweeps", "pyproject.toml", "constraints.txt"} | {
        "README.md",
        "LICENSE",
    }
    assert all((ROOT / name).exists() for name in sent)


@pytest.mark.parametrize("name", SHIPPED)
def test_no_file_holds_a_secret(name: str) -> None:
    text = without_comments(file_text(name))
    keys = r"\b([A-Z_]*(?:PASSWORD|TOKEN|SECRET_KEY)|(?:\w+_)?password)\b[\"']?\s*[:=]\s*(\S+)"
    assert [(key, value) for key, value in re.findall(keys, text) if not value.startswith("${")] == []
    assert re.findall(r"://[^/\s]*:[^/\s]*@", text) == []
    assert re.findall(r"\b(?=\w*\d)\w{24,}", text) == []
    for variable in re.findall(r"name: (\w*(?:PASSWORD|SECRET_KEY))\n\s+(\w+):", text):
        assert variable[1] == "valueFrom"


def without_comments(text: str) -> str:
    return re.sub(r"(?m)(^|\s)#.*$", "", text)
