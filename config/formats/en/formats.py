"""How the admin writes times: sortable, to the second, without a guess about day and month. Always UTC."""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
