"""The environment: whole programs, run where they see everything, and a history of what was done."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

from mledojo.gym.interface import CodeExecutionInterface


class KaggleEnvironment:
    @classmethod
    def make(cls, competition_name, output_dir, competition_registry, score_mode="position"):
        made = cls()
        made.competition = competition_registry.get(competition_name)
        made.output_dir, made.actions, made.total_reward = Path(output_dir), [], 0.0
        made.sandbox = SimpleNamespace(execution_timeout=None)
        (made.output_dir / "env_history").mkdir()
        return made

    def _run(self, code):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "program.py"
            file.write_text(code)
            words = ["python3", str(file)]
            try:
                done = subprocess.run(
                    words,
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=self.sandbox.execution_timeout,
                    env=os.environ,
                )
            except subprocess.TimeoutExpired:
                return -1, f"Process execution timed out after {self.sandbox.execution_timeout}s"
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr

    def step(self, action, code="", **words):
        if action not in ("validate_code", "execute_code"):
            raise ValueError(f"Invalid action: {action}")
        status, text = self._run(code)
        reward, ok = 0.0, status == 0
        file = self.output_dir / "submission.csv"
        if action == "validate_code":
            file.unlink(missing_ok=True)
        elif ok and file.exists():
            number = len(list(self.output_dir.glob("submission_*.csv"))) + 1
            archived = file.rename(self.output_dir / f"submission_{number}.csv")
            result = CodeExecutionInterface()._process_submission(self.competition, archived, self.output_dir)
            ok = result["status"] == "SUCCESS"
            reward = result["position_score"]["avg_score"] if ok else 0.0
            text += json.dumps(result)
        else:
            ok = False
        self.total_reward += reward
        self.actions.append({"action": action, "code": code, "reward": reward})
        history = {"actions": self.actions, "total_reward": self.total_reward}
        (self.output_dir / "env_history" / "history.json").write_text(json.dumps(history))
        feedback = {"base": {"feedback_status": "SUCCESS", "feedback": text}}
        return {"action_status": "SUCCESS" if ok else "FAILED", "feedback": feedback}, reward
