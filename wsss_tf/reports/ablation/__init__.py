"""The paper's Tables 4, 5 and 6 for any data set. Names here load no TensorFlow."""

from wsss_tf.reports.ablation.plan import TABLES, Plan, plan_ablation
from wsss_tf.reports.ablation.setups import SETUPS, SetUp
from wsss_tf.reports.ablation.tables import Row, text_tables

__all__ = ["SETUPS", "TABLES", "Plan", "Row", "SetUp", "plan_ablation", "text_tables"]
