package portal

import "github.com/gin-gonic/gin"

func (p *Portal) registerRuns(pages gin.IRouter) {
}
