"""The action protocol of MLE-Dojo's MLE agent: request_info, validate_code and execute_code, each as JSON.

Written anew after MLE-Dojo/MLE-Dojo at 667a8fd0 (mledojo/agent/mleagent, MIT): the same prompts in the same
order, the same history, the same repair of answers that cannot be parsed. Its wording is our own.
"""
