"""The files for Kubernetes: against its schemas, a list of KubeRay's fields, and each other."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sweeps.deploy import file_text
from sweeps.loading import load_study
from tests.sweeps.deploy_files import documents, groups, pod_templates, ray_clusters, resource, resources
from tests.sweeps.studies import tiny_data

ROOT = Path(__file__).parents[2]
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
