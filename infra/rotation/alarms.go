package rotation

func (d *deployment) alarms() {}
