"""The hourly job as an Airflow 3 DAG: copy it into the folder of your DAGs.

A task that is killed is tried again and goes on where it was, for what the model has answered is stored. Exit code 3,
too many failed results, is an outcome and not an accident: it is not tried again, the task is marked as skipped.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOME = "/srv/textmill"
COMMAND = """
.venv/bin/textmill run jobs/schedules/hourly.toml || { code=$?; test $code = 3 && exit 99; exit $code; }
"""

with DAG(
    dag_id="textmill_feedback",
    schedule="7 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # a run reads the whole folder: the hours that were missed are in it
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=2)},
) as dag:
    BashOperator(
        task_id="sentiment",
        cwd=HOME,
        bash_command=COMMAND,
        skip_on_exit_code=99,
        execution_timeout=timedelta(minutes=55),
    )
