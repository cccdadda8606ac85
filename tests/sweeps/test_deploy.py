"""The files that are shipped for clouds, Kubernetes and MLflow: against the schemas there are, and against each other.

None of these tests starts a container or a machine; docs/cluster.md says what has been run.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from sweeps.deploy import DEPLOYMENTS, file_text
from sweeps.loading import load_study
from tests.sweeps.studies import tiny_data
from tests.sweeps.test_cli import Cli

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "sweeps" / "deploy"
SHIPPED = sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".py")
YAML = [name for name in SHIPPED if name.endswith(".yaml")]
KUBERNETES_VERSION = "1.33"

#: Fields of the resources of KubeRay 1.5.1 and newer (the first with `authOptions`), from ray-operator/apis/ray/v1.
KUBERAY_FIELDS = {
    "RayJob": {
        "entrypoint": str,
        "runtimeEnvYAML": str,
        "submissionMode": str,
        "backoffLimit": int,
        "activeDeadlineSeconds": int,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "rayClusterSpec": dict,
    },
    "RayCluster": {
        "rayVersion": str,
        "enableInTreeAutoscaling": bool,
        "autoscalerOptions": dict,
        "authOptions": dict,
        "headGroupSpec": dict,
        "workerGroupSpecs": list,
    },
    "autoscalerOptions": {"idleTimeoutSeconds": int, "upscalingMode": str},
    "authOptions": {"mode": str},
    "headGroupSpec": {"serviceType": str, "rayStartParams": dict, "template": dict},
    "workerGroupSpecs": {
        "groupName": str,
        "replicas": int,
        "minReplicas": int,
        "maxReplicas": int,
        "rayStartParams": dict,
        "template": dict,
    },
}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file_text(name)))


def resources() -> Iterator[dict[str, Any]]:
    for name in DEPLOYMENTS["kuberay"].files:
        yield from documents(name)


def resource(kind: str, name: str) -> dict[str, Any]:
    (found,) = [r for r in resources() if (r["kind"], r["metadata"]["name"]) == (kind, name)]
    return found


def ray_clusters() -> list[dict[str, Any]]:
    job = resource("RayJob", "fairsweep-study")["spec"]
    return [resource("RayCluster", "fairsweep")["spec"], job["rayClusterSpec"]]


def groups(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def pod_templates() -> list[dict[str, Any]]:
    own = [r["spec"]["template"] for r in resources() if r["kind"] in {"Deployment", "StatefulSet"}]
    return own + [group["template"] for cluster in ray_clusters() for group in groups(cluster)]


def ray_up() -> dict[str, Any]:
    (config,) = documents("ray-up-aws.yaml")
    return config


def compose() -> dict[str, Any]:
    (config,) = documents("compose.yaml")
    return config


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
        assert ("# Checked, and not run as it stands: docs/cluster.md says" in top) == (is_run != "**run**"), name


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


# Kubernetes


@pytest.mark.parametrize("name", ["kubernetes-base.yaml", "kubernetes-mlflow.yaml"])
def test_plain_resources_pass_the_schemas_of_kubernetes(name: str) -> None:
    for document in documents(name):
        kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


def test_the_pods_of_ray_pass_the_schema_of_kubernetes() -> None:
    for cluster in ray_clusters():
        for group in groups(cluster):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray", **group["template"]["metadata"]}}
            pod["spec"] = group["template"]["spec"]
            kubernetes_validate.validate(pod, KUBERNETES_VERSION, strict=True)


def test_the_schemas_of_kubernetes_notice_a_misspelt_field() -> None:
    service = resource("Service", "mlflow")
    service["spec"]["selectors"] = service["spec"].pop("selector")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, KUBERNETES_VERSION, strict=True)


def test_rays_resources_use_only_known_fields_of_kuberay() -> None:
    assert_fields("RayJob", resource("RayJob", "fairsweep-study")["spec"])
    for cluster in ray_clusters():
        assert_fields("RayCluster", cluster)
        for part in ("autoscalerOptions", "authOptions", "headGroupSpec"):
            assert_fields(part, cluster[part])
        for group in cluster["workerGroupSpecs"]:
            assert_fields("workerGroupSpecs", group)


def assert_fields(part: str, values: dict[str, Any]) -> None:
    known = KUBERAY_FIELDS[part]
    assert set(values) <= set(known)
    assert [key for key, value in values.items() if type(value) is not known[key]] == []


def test_the_single_study_runs_on_the_same_cluster_as_many() -> None:
    standing, single = ray_clusters()
    head = single["headGroupSpec"]["template"]["spec"]
    study = {"name": "study", "configMap": {"name": "fairsweep-study"}}
    head["volumes"].remove(study)
    head["containers"][0]["volumeMounts"].remove({"name": "study", "mountPath": "/study", "readOnly": True})
    assert single == standing


def test_a_single_study_keeps_the_name_of_its_file(tmp_path: Path) -> None:
    """The file is mounted as Kubernetes mounts a ConfigMap: as a link into a hidden folder."""
    hidden = tmp_path / "..2026_01_01"
    hidden.mkdir()
    data = {key: value for key, value in tiny_data().items() if key != "study"}
    (hidden / "my-study.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    (tmp_path / "..data").symlink_to(hidden.name)
    (tmp_path / "my-study.yaml").symlink_to("..data/my-study.yaml")
    entrypoint = resource("RayJob", "fairsweep-study")["spec"]["entrypoint"].replace("/study/", f"{tmp_path}/")
    script = f"fairsweep() {{ printf '%s\\n' \"$@\"; }}; {entrypoint}"
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == ["launch", f"{tmp_path}/my-study.yaml", "--address", "auto"]
    assert load_study(told[1]).study == "my-study"
    for page in (file_text("kuberay-job.yaml"), (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")):
        assert "create configmap fairsweep-study --from-file=my-study.yaml\n" in page


def test_a_single_study_ends_by_itself_and_stops_in_order() -> None:
    job = resource("RayJob", "fairsweep-study")["spec"]
    assert job["shutdownAfterJobFinishes"] is True
    assert 0 < job["ttlSecondsAfterFinished"] <= 3600
    assert 0 < job["activeDeadlineSeconds"] <= 3 * 24 * 3600
    assert job["submissionMode"] == "HTTPMode"  # no submitter, which would submit again by itself
    assert yaml.safe_load(job["runtimeEnvYAML"])["env_vars"]["RAY_JOB_STOP_SIGNAL"] == "SIGINT"


def test_rays_clusters_on_kubernetes_ask_for_a_token_and_shrink_to_their_head() -> None:
    for cluster in ray_clusters():
        assert cluster["authOptions"] == {"mode": "token"}
        assert cluster["enableInTreeAutoscaling"] is True
        assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
        assert [group["minReplicas"] for group in cluster["workerGroupSpecs"]] == [0]


def test_workers_with_a_gpu_are_all_of_one_kind() -> None:
    for cluster in ray_clusters():
        for group in cluster["workerGroupSpecs"]:
            pod = group["template"]["spec"]
            assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
            assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}


def test_no_pod_runs_as_root_or_may_become_it() -> None:
    for template in pod_templates():
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in template["spec"]["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_nobody_reaches_a_pod_unless_a_rule_says_so() -> None:
    policies = {r["metadata"]["name"]: r["spec"] for r in resources() if r["kind"] == "NetworkPolicy"}
    assert policies["deny-all-ingress"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    labels = [template["metadata"]["labels"] for template in pod_templates()]
    for name, policy in policies.items():
        chosen = policy["podSelector"].get("matchLabels", {})
        assert any(chosen.items() <= pod.items() for pod in labels), f"{name} selects no pod"
        assert all(rule.get("from") for rule in policy.get("ingress", [])), f"{name} lets everybody in"
    assert "to" not in policies["ray-head"]["egress"][-1]  # the API server; no other rule leads everywhere
    assert all(rule.get("to") for name in ("ray", "mlflow") for rule in policies[name]["egress"])


def test_only_the_head_knows_the_password_for_mlflow_and_may_go_there() -> None:
    for cluster in ray_clusters():
        for group in groups(cluster):
            known = {variable["name"] for variable in group["template"]["spec"]["containers"][0]["env"]}
            assert ("MLFLOW_TRACKING_PASSWORD" in known) == (group is cluster["headGroupSpec"])


def test_every_claim_service_and_label_that_is_named_is_there() -> None:
    claims = {r["metadata"]["name"] for r in resources() if r["kind"] == "PersistentVolumeClaim"}
    labels = [template["metadata"]["labels"] for template in pod_templates()]
    for template in pod_templates():
        volumes = template["spec"].get("volumes", [])
        assert {v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v} <= claims
    for service in (r for r in resources() if r["kind"] == "Service"):
        assert any(service["spec"]["selector"].items() <= pod.items() for pod in labels)
        assert service["spec"]["type"] == "ClusterIP"
    assert {r["metadata"].get("namespace", "fairsweep") for r in resources()} == {"fairsweep"}


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


# The command


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return Cli(monkeypatch, capsys)


def test_the_command_lists_the_deployments_and_writes_what_is_shipped(cli: Cli) -> None:
    assert cli("deploy") == 0
    assert all(name in cli.out for name in DEPLOYMENTS)
    for name, deployment in DEPLOYMENTS.items():
        assert cli("deploy", name, "--out", "here") == 0
        assert all(Path("here", file).read_text() == file_text(file) for file in deployment.files)


def test_the_command_says_which_lines_are_the_users(cli: Cli) -> None:
    assert cli("deploy", "ray-up") == 0
    numbers = [int(line.rpartition(":")[2]) for line in cli.out.splitlines() if "ray-up-aws.yaml:" in line]
    lines = file_text("ray-up-aws.yaml").splitlines()
    assert len(numbers) >= 6
    assert all("EDIT" in lines[number - 1] for number in numbers)
    assert not any(lines[number - 1].lstrip().startswith("#") for number in numbers)
    assert "whether they have been run" in " ".join(cli.out.split())


def test_the_command_overwrites_nothing_unless_forced(cli: Cli) -> None:
    mine = Path("deploy", "compose.yaml")
    mine.parent.mkdir()
    mine.write_text("mine")
    assert cli("deploy", "mlflow") == 2
    assert "--force" in cli.err
    assert mine.read_text() == "mine"
    assert cli("deploy", "mlflow", "--force") == 0
    assert mine.read_text() == file_text("compose.yaml")


def test_an_unknown_deployment_is_bad_input(cli: Cli) -> None:
    assert cli("deploy", "kubray") == 2
    assert "Did you mean kuberay?" in cli.err
