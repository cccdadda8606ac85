# The MLflow server with users and passwords, on PostgreSQL. Build it in this folder; compose.yaml does so by itself:
#   docker build -f mlflow.Dockerfile -t fairsweep-mlflow:0.1.0 .
# Checked, and not run as it stands: docs/cluster.md says what was done with it.
FROM python:3.11-slim-bookworm

RUN pip install --no-cache-dir "mlflow[auth]==3.17.2" "psycopg[binary]==3.3.9" \
    && useradd --uid 1000 --create-home mlflow \
    && install --directory --owner mlflow --group mlflow /artifacts

COPY mlflow-auth.ini /etc/mlflow/auth.ini

# From outside come PGHOST, PGUSER, PGPASSWORD, MLFLOW_AUTH_ADMIN_PASSWORD and MLFLOW_FLASK_SERVER_SECRET_KEY.
# A list of allowed hosts replaces MLflow's own: name every host, with its port, by which clients call the server.
ENV MLFLOW_BACKEND_STORE_URI=postgresql:///mlflow \
    MLFLOW_AUTH_CONFIG_PATH=/etc/mlflow/auth.ini \
    MLFLOW_ARTIFACTS_DESTINATION=/artifacts \
    MLFLOW_SERVER_ALLOWED_HOSTS=localhost:*,127.0.0.1:*,mlflow:* \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=true

USER 1000
WORKDIR /home/mlflow
VOLUME /artifacts
EXPOSE 5000

# 0.0.0.0 means every interface of the container: a published port or a Service reaches no other. Who gets in is
# decided by the password, by the allowed hosts, and by the address at which the port is published.
CMD ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "2", "--app-name", "basic-auth"]
