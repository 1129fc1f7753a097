package mail

import "github.com/auditferry/auditferry/schemas"

func cloudName(c schemas.Cloud) string {
	switch c {
	case schemas.AWS:
		return "AWS"
	case schemas.Azure:
		return "Azure"
	case schemas.GCP:
		return "Google Cloud"
	default:
		return string(c)
	}
}

// revoke says how to take back what had been granted.
func revoke(c schemas.Cloud) string {
	switch c {
	case schemas.AWS:
		return "In AWS, delete the IAM role that you made for this integration, unless something else uses it."
	case schemas.Azure:
		return "In Azure, remove the role assignment that you made for this integration. If no other integration uses the app, delete it under Microsoft Entra ID, Enterprise applications."
	default:
		return "In Google Cloud, take the custom role away from the service account, unless another integration uses it."
	}
}

// attempted names a step of an access check as its reader would.
func attempted(c schemas.Cloud, step schemas.Step) string {
	switch step {
	case schemas.StepAuthenticate:
		switch c {
		case schemas.AWS:
			return "Assume the role"
		case schemas.Azure:
			return "Sign in to the tenant"
		default:
			return "Act as the service account"
		}
	case schemas.StepExternalID:
		return "Make sure that the role asks for the external ID"
	case schemas.StepOwner:
		return "Make sure whose the bucket is"
	case schemas.StepOwnership:
		return "Make sure that the destination is yours"
	case schemas.StepWrite:
		return "Write an object"
	case schemas.StepList:
		return "List the folder"
	case schemas.StepDelete:
		return "Delete the object again"
	default:
		return string(step)
	}
}
