"""`temporal-codec history`: scan and decode histories."""
